import { existsSync, readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { basename } from "node:path"
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"
import { flag } from "./scripts/loading/prepare.ts"

// Every workspace package with a test folder is a project named after its folder; a new one joins by existing.
const roots = [...readdirSync("packages").map((name) => `packages/${name}`), "examples"].filter((root) =>
  existsSync(`${root}/test`)
)

// Tests wait for events. The limit is for one whose event never comes, however slow the machine, in milliseconds.
const hangs = 300_000

const all = "test/**/*.test.ts"

/**
 * The tests that load all modules as users do: those that end code by the frames of its stack, and those of the
 * examples. The others load Effect from a bundle, because hundreds of workers and processes would load hundreds of files.
 */
const fromSource: Readonly<Record<string, ReadonlyArray<string>>> = {
  "worker-threads": ["test/Unwind?(.*).test.ts", "test/EffectInternals.test.ts"],
  examples: ["test/!(readme).test.ts"]
}

/**
 * The tests that replace modules or load them again (`vi.mock`, `vi.resetModules`), which Node can't do, and the tests that
 * read their own path in a stack, because vitest adds a query to the URL of a test that Node loads.
 */
const byVite: Readonly<Record<string, ReadonlyArray<string>>> = {
  core: [all],
  process: ["test/ProcessThread.unseen.test.ts"],
  testing: ["test/Leaks.test.ts", "test/Interruption.test.ts"]
}

type Settings = NonNullable<TestProjectInlineConfiguration["test"]>

/** Node 22 can't parse `using`, which many tests have and Vite rewrites. */
const parsesUsing = Number.parseInt(process.versions.node, 10) >= 24

/** Node itself loads the tests. Vite's module runner would wrap each import. Tests from source do without this, too. */
const byNode: Settings = parsesUsing ? { experimental: { viteModuleRunner: false, nodeLoader: false } } : {}

const quick: Settings = { execArgv: [flag], env: { NODE_OPTIONS: flag } }

const projectsOf = (root: string): ReadonlyArray<TestProjectInlineConfiguration> => {
  const name = basename(root)
  const [plain, vite] = [fromSource[name] ?? [], byVite[name] ?? []]
  const special = [...plain, ...vite]
  const project = (suffix: string, include: ReadonlyArray<string>, settings: Settings) => {
    if (include.length === 0) return []
    const test = {
      name: include.includes(all) ? name : `${name}${suffix}`,
      include: [...include],
      testTimeout: hangs,
      hookTimeout: hangs,
      ...settings
    }
    return [{ root, test }]
  }
  return [
    ...project("", special.includes(all) ? [] : [all], { ...byNode, ...quick, exclude: special }),
    ...project(" from source", plain, {}),
    ...project(" by Vite", vite, quick)
  ]
}

export default defineConfig({
  test: {
    // Vitest would leave one core free, and much of what the tests do is to wait.
    maxWorkers: availableParallelism(),
    globalSetup: "scripts/loading/prepare.ts",
    projects: roots.flatMap(projectsOf)
  }
})
