import { existsSync, readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { basename } from "node:path"
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config"
import { BaseSequencer } from "vitest/node"
import { flag, sourceFlag } from "./scripts/loading/prepare.ts"

// Every workspace package with a test folder is a project named after its folder; a new one joins by existing.
const roots = [...readdirSync("packages").map((name) => `packages/${name}`), "examples"].filter((root) =>
  existsSync(`${root}/test`)
)

// Tests wait for events. The limit is for one whose event never comes, however slow the machine, in milliseconds.
const hangs = 300_000

const all = "test/**/*.test.ts"

/**
 * The tests that load each module of Effect from a file of its own, because they end code by the frames of its stack. The
 * others load Effect from a bundle, because hundreds of workers and processes would load hundreds of files.
 */
const fromSource: Readonly<Record<string, ReadonlyArray<string>>> = {
  "worker-threads": ["test/Unwind?(.*).test.ts", "test/EffectInternals.test.ts"]
}

/**
 * The tests that replace modules or load them again (`vi.mock`, `vi.resetModules`), which Node can't do, and the tests that
 * read their own path in a stack, because vitest adds a query to the URL of a test that Node loads.
 */
const byVite: Readonly<Record<string, ReadonlyArray<string>>> = {
  core: [all],
  process: ["test/ProcessThread.{failedLooks,hardLooks,lost,starting,unseen}.test.ts"],
  testing: ["test/Leaks.test.ts", "test/Interruption.test.ts"]
}

/**
 * The tests that share a process with others, because most of them take less time than vitest and Effect take to load. A
 * test has its own process if it changes a global, a prototype or `expect`, counts what a whole process has, or runs long.
 */
const sharing: Readonly<Record<string, ReadonlyArray<string>>> = {
  core: [
    "test/*.types.test.ts",
    "test/{Abort.runWith,CancelReason,Deadline,Escalation,ForcedEnd,Lease,Lease.release,ShutdownReport}.test.ts",
    "test/{StopToken,Thread,Thread.raise,Thread.runtime,Thread.start,ThreadError,ThreadGroup,Timeline}.test.ts",
    "test/{Timeline.exports,adapter,adapter.execute,ending,foreignValue,givenText,misuse,nesting,notice}.test.ts",
    "test/{sequence,threadState,tracing,waiting}.test.ts"
  ],
  "worker-threads": [
    "test/*.types.test.ts",
    "test/{ModuleUrl,Schemas,controlBlock,dispatcher,dispatcher.*,leases,message,outbox,poolOptions,ringEntry}.test.ts",
    "test/{Locks.sections,interrupts,locks.misuse}.test.ts",
    "test/{sectionWord,slotTable,threadDeaths,uncaughtError,unknownNames,workerState}.test.ts"
  ],
  process: ["test/{Main,Main.*,sections,signalCount}.test.ts"],
  testing: ["test/{Interleaving,Journal,Law,Laws.cases,Leaks.types,LiveThreads,Model}.test.ts"],
  cluster: ["test/{ClusterThreads.types,Keepers,Rounds,RunnerThreads,RunnerWatch,batched,endWithin}.test.ts"]
}

type Settings = NonNullable<TestProjectInlineConfiguration["test"]>

/** Node 22 can't parse `using`, which many tests have and Vite rewrites. */
const parsesUsing = Number.parseInt(process.versions.node, 10) >= 24

/** Node itself loads the tests. Vite's module runner would wrap each import. Tests from source do without this, too. */
const byNode: Settings = parsesUsing ? { experimental: { viteModuleRunner: false, nodeLoader: false } } : {}

const loadedBy = (flag: string): Settings => ({ execArgv: [flag], env: { NODE_OPTIONS: flag } })

const quick = loadedBy(flag)

const projectsOf = (root: string): ReadonlyArray<TestProjectInlineConfiguration> => {
  const name = basename(root)
  const [plain, vite, shared] = [fromSource[name] ?? [], byVite[name] ?? [], sharing[name] ?? []]
  const special = [...plain, ...vite, ...shared]
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
    ...project(" from source", plain, loadedBy(sourceFlag)),
    ...project(" by Vite", vite, { ...quick, exclude: [...shared] }),
    ...project(" shared", shared, { ...byNode, ...quick, isolate: false })
  ]
}

/**
 * The files that take longest, which start first. A long file that starts last would leave the other cores without work.
 * Vitest knows the times of an earlier run only.
 */
const slow: ReadonlyArray<string> = [
  "core/test/Abort.retention",
  "laws/test/Faults",
  "cluster/test/processes",
  "worker-threads/test/Attacks",
  "examples/test/server",
  "examples/test/tour",
  "examples/test/readme",
  "worker-threads/test/Nesting.test",
  "worker-threads/test/Queue.steps",
  "laws/test/OnProcesses",
  "laws/test/ProcessFaults",
  "laws/test/OnWorkers.killing",
  "process/test/ProcessDump",
  "testing/test/CaseStudy",
  "cluster/test/everyStatement",
  "cluster/test/chaos",
  "worker-threads/test/RpcProtocol",
  "worker-threads/test/NeighbourAttacks",
  "worker-threads/test/Faults",
  "examples/test/ways",
  "worker-threads/test/Soak.test",
  "worker-threads/test/SharedMutex.test",
  "worker-threads/test/EffectInternals",
  "worker-threads/test/Unwind.outsideSections",
  "worker-threads/test/Chaos",
  "laws/test/On",
  "testing/test/LawsOf"
]

const rankOf = ({ moduleId }: { readonly moduleId: string }): number => {
  const rank = slow.findIndex((name) => moduleId.replaceAll("\\", "/").includes(`/${name}`))
  return rank < 0 ? slow.length : rank
}

class SlowFirst extends BaseSequencer {
  override async sort(files: Parameters<BaseSequencer["sort"]>[0]): ReturnType<BaseSequencer["sort"]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- It is no array.
    const sorted = await super.sort(files)
    return sorted.toSorted((one, other) => rankOf(one) - rankOf(other))
  }
}

export default defineConfig({
  test: {
    // Vitest would leave one core free, but much of what the tests do is to wait.
    maxWorkers: availableParallelism() + 3,
    sequence: { sequencer: SlowFirst },
    globalSetup: "scripts/loading/prepare.ts",
    projects: roots.flatMap(projectsOf)
  }
})
