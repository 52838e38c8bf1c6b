import { existsSync, readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { basename } from "node:path"
import { defineConfig } from "vitest/config"

// Every workspace package with a test folder is a project named after its folder; a new one joins by existing.
const roots = [...readdirSync("packages").map((name) => `packages/${name}`), "examples"].filter((root) =>
  existsSync(`${root}/test`)
)

// Tests wait for events. The limit is for one whose event never comes, however slow the machine, in milliseconds.
const hangs = 300_000

export default defineConfig({
  test: {
    // Vitest would leave one core free, and much of what the tests do is to wait.
    maxWorkers: availableParallelism(),
    projects: roots.map((root) => ({
      root,
      test: { name: basename(root), include: ["test/**/*.test.ts"], testTimeout: hangs, hookTimeout: hangs }
    }))
  }
})
