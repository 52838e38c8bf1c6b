/** The linter refuses imports against the rooms of CONTRIBUTING.md. The files of this test stand in a temporary folder. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { runFile, workspace } from "./support.ts"

interface Planted {
  readonly refused: ReadonlyArray<string>
  readonly allowed: ReadonlyArray<string>
}

const planted: Readonly<Record<string, Planted>> = {
  "worker-threads/src/internal/host/zz.ts": {
    refused: [
      "../worker/workerTask.ts",
      "./../worker/workerTask.ts",
      "../wire/../worker/workerTask.ts",
      "../rpc/host/client.ts",
      "../../WorkerPool.ts",
      "@quiesce/testing",
      "@quiesce/process/Main",
      "@quiesce/worker-threads/ThreadWorker"
    ],
    allowed: ["./dispatcher.ts", "../wire/ring.ts", "../unwind/host/capabilities.ts", "../../WorkerError.ts"]
  },
  "worker-threads/src/internal/wire/zz.ts": {
    refused: ["../host/dispatcher.ts", "@quiesce/worker-threads/WorkerPool", "effect", "@quiesce/core"],
    allowed: ["./ring.ts", "effect/Effect", "effect/rpc/Rpc", "node:fs", "node:fs/promises", "@quiesce/core/Thread"]
  },
  "worker-threads/src/internal/leases/zz.ts": {
    refused: ["./ready/fileHandle.ts", "../host/dispatcher.ts"],
    allowed: ["../wire/ring.ts"]
  },
  "worker-threads/src/internal/rpc/zz.ts": {
    refused: ["./host/client.ts", "./worker/server.ts", "../host/dispatcher.ts"],
    allowed: ["./codec.ts", "../wire/wire.ts"]
  },
  "worker-threads/src/internal/rpc/host/zz.ts": {
    refused: [
      "../worker/server.ts",
      "../../worker/workerTask.ts",
      "../../../ThreadWorker.ts",
      "../../scheduler/portScheduler.ts"
    ],
    allowed: ["../codec.ts", "../../host/dispatcher.ts", "../../../WorkerError.ts"]
  },
  "worker-threads/src/internal/plainTask/zz.ts": {
    refused: [
      "./host/plainPool.ts",
      "./worker/plainWorker.ts",

      "effect",
      "effect/Effect",
      "@quiesce/core/Thread",
      "@quiesce/core/internal"
    ],
    allowed: ["./contract.ts", "../wire/handshake.ts", "@quiesce/core/internal/plainText"]
  },
  "worker-threads/src/internal/plainTask/worker/zz.ts": {
    refused: [
      "effect",
      "effect/Effect",
      "@quiesce/core",
      "@quiesce/core/Thread",
      "@quiesce/core/internal",
      "../host/plainPool.ts",
      "../task.worker.ts",
      "../../worker/workerTask.ts"
    ],
    allowed: [
      "../contract.ts",
      "../../wire/ring.ts",
      "@quiesce/core/internal/plain",
      "@quiesce/core/internal/plainText"
    ]
  },
  "worker-threads/src/internal/plainTask/task.worker.ts": {
    refused: ["./host/plainPool.ts", "effect/Effect", "@quiesce/core/Thread", "../worker/workerTask.ts"],
    allowed: ["./worker/plainWorker.ts", "../worker/uncaught.ts"]
  },
  "worker-threads/src/internal/zz.ts": { refused: ["./host/dispatcher.ts", "../WorkerPool.ts"], allowed: [] },
  "worker-threads/src/internal/newroom/zz.ts": { refused: ["../host/dispatcher.ts"], allowed: ["./other.ts"] },
  "worker-threads/src/ThreadWorker.ts": {
    refused: ["./WorkerPool.ts", "./Task.ts", "./internal/host/dispatcher.ts"],
    allowed: ["./WorkerError.ts", "./internal/worker/workerRuntime.ts"]
  },
  "worker-threads/src/WorkerPool.ts": {
    refused: ["./ThreadWorker.ts", "./internal/worker/workerTask.ts"],
    allowed: ["./WorkerError.ts", "./internal/host/dispatcher.ts"]
  },
  "worker-threads/src/Task.ts": {
    refused: [
      "./internal/plainTask/worker/plainLeases.ts",
      "./internal/plainTask/worker/plainCall.ts",
      "./ThreadWorker.ts"
    ],
    allowed: ["./internal/plainTask/host/lazyHost.ts"]
  },
  "worker-threads/src/NewModule.ts": {
    refused: ["./WorkerPool.ts", "./internal/host/dispatcher.ts"],
    allowed: ["./WorkerError.ts"]
  },
  "process/src/internal/child/zz.ts": {
    refused: ["../main/program.ts", "./../main/program.ts", "@quiesce/worker-threads/Task", "@quiesce/process/Main"],
    allowed: ["../signals/signalName.ts"]
  },
  "process/src/internal/zz.ts": { refused: ["./main/program.ts"], allowed: ["./wrongArgument.ts"] },
  "cluster/src/internal/wire/zz.ts": {
    refused: ["../../ClusterThreads.ts", "../store/threadStore.ts"],
    allowed: ["./outcome.ts", "../../ClusterError.ts"]
  },
  "cluster/src/internal/store/zz.ts": {
    refused: [
      "../../ClusterRunner.ts",
      "@quiesce/process",
      "@quiesce/process/Main",
      "@quiesce/worker-threads/WorkerPool"
    ],
    allowed: ["../../ClusterError.ts"]
  },
  "cluster/src/internal/client/zz.ts": {
    refused: ["../runner/runner.ts", "../../ClusterThreads.ts"],
    allowed: ["../store/threadStore.ts", "../../ClusterStore.ts"]
  },
  "cluster/src/internal/engine.ts": { refused: ["./runner/runner.ts"], allowed: ["./watch/lostRunner.ts"] },
  "cluster/src/internal/zz.ts": { refused: ["./runner/runner.ts", "./watch/calm.ts"], allowed: ["./limit.ts"] },
  "cluster/src/internal/newroom/zz.ts": { refused: ["../runner/runner.ts", "./../runner/runner.ts"], allowed: [] },
  "cluster/src/ClusterThreads.ts": {
    refused: ["@quiesce/process", "@quiesce/testing", "@quiesce/cluster/ClusterRunner"],
    allowed: ["./ClusterError.ts", "./internal/client/caller.ts", "@quiesce/worker-threads/WorkerPool"]
  },
  "testing/src/Interruption.ts": {
    refused: ["./laws/Laws.ts", "vitest", "fast-check", "@quiesce/process/Main", "@quiesce/testing"],
    allowed: ["./internal/explore/explorer.ts", "@quiesce/core/Thread"]
  },
  "testing/src/internal/fake/zz.ts": { refused: ["../explore/explorer.ts"], allowed: ["../../TestingError.ts"] },
  "testing/src/internal/newroom/zz.ts": { refused: ["../explore/explorer.ts"], allowed: [] },
  "testing/src/laws/Program.ts": { refused: ["./checks/checks.ts", "./Model.ts"], allowed: ["./Scenario.ts"] },
  "testing/src/laws/checks/zz.ts": { refused: ["../Laws.ts", "fast-check"], allowed: ["../Outcome.ts"] }
}

const folder = mkdtempSync(join(tmpdir(), "quiesce-rooms-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const plant = (path: string, lines: ReadonlyArray<string>): void => {
  const file = join(folder, "packages", path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${lines.join("\n")}\n`)
}

const importsOf = ({ allowed, refused }: Planted): ReadonlyArray<string> => [
  ...refused.map((name) => `export { refused } from "${name}"`),
  ...allowed.map((name) => `export { allowed } from "${name}"`)
]

const inlineType = "worker-threads/src/internal/wire/inline.ts"

/** The lines that the linter has refused, as "FILE:LINE RULE". */
let found: ReadonlyArray<string> = []

beforeAll(async () => {
  const rules = readFileSync(join(workspace, ".oxlintrc.json"), "utf8")
  // The planted files belong to no program of the compiler, and the rules of rooms need no types.
  writeFileSync(join(folder, ".oxlintrc.json"), rules.replace('"typeAware": true', '"typeAware": false'))
  for (const [path, imports] of Object.entries(planted)) plant(path, importsOf(imports))
  plant(inlineType, ['export type Dispatcher = import("../host/dispatcher.ts").Dispatcher'])
  const { errors, lines } = await runFile("node_modules/oxlint/bin/oxlint", { args: ["--format=unix"], cwd: folder })
  if (errors !== "") throw new Error(errors)
  found = lines.flatMap((line) => {
    const [, file, place, rule] = /^packages\/(.*?):(\d+):\d+: .*\[Error\/(.*)\]$/.exec(line) ?? []
    return rule === undefined ? [] : [`${file}:${place} ${rule}`]
  })
})

describe("the linter refuses the imports that a room does not name, and no others", () => {
  it.each(Object.entries(planted))("%s", (path, { allowed, refused }) => {
    const names = [...refused, ...allowed]
    const isRefused = (_: string, index: number): boolean =>
      found.includes(`${path}:${index + 1} eslint(no-restricted-imports)`)
    expect(names.filter(isRefused)).toEqual(refused)
  })
})

it("the linter refuses the type of an import inside an expression, because no rule of rooms sees it", () => {
  expect(found).toContain(`${inlineType}:1 typescript(consistent-type-imports)`)
})
