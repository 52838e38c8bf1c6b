/** Processes whose end the system does not report, and processes that no kill ends. */
import { Thread } from "@quiesce/core"
import { ProcessThread } from "@quiesce/process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { systemError } from "effect/PlatformError"
import { ChildProcessSpawner, make, makeHandle } from "effect/process/ChildProcessSpawner"
import { describe, expect, it, vi } from "vitest"
import type * as Table from "../src/internal/child/processTable.ts"
import type * as Tree from "../src/internal/child/tree.ts"
import { printed, run, shell } from "./processSupport.ts"

/** A process of the kernel, such as one that waits for a broken device. It receives each signal, and stays. */
const deathless: Table.Process = {
  pid: 1_000_000_007,
  parent: 1,
  group: 1_000_000_007,
  session: 1_000_000_007,
  started: 1,
  state: "D",
  program: "copy"
}
const found = vi.hoisted(() => ({ isDeathless: false }))

vi.mock("../src/internal/child/tree.ts", async (original) => {
  const real = await original<typeof Tree>()
  return {
    ...real,
    find: async (...args: Parameters<typeof real.find>) =>
      found.isDeathless ? [...(await real.find(...args)), deathless] : real.find(...args)
  }
})

describe.skipIf(process.platform !== "linux")("ProcessThread.spawn", () => {
  it("fails with Lost if the system does not report the end of the process", async () => {
    const tree = shell("exit 0")
    const untold = systemError({ _tag: "Unknown", module: "ChildProcess", method: "exitCode", description: "ECHILD" })

    const exit = await run(
      Effect.gen(function* () {
        const real = yield* ChildProcessSpawner
        const spawner = make((command) =>
          Effect.map(real.spawn(command), (handle) =>
            makeHandle({ ...handle, exitCode: Effect.andThen(Effect.exit(handle.exitCode), Effect.fail(untold)) })
          )
        )
        const spawned = Effect.provideService(ProcessThread.spawn(tree.command), ChildProcessSpawner, spawner)
        return yield* Thread.await(yield* spawned)
      })
    )

    expect(exit).toMatchObject(
      Exit.fail({ _tag: "ProcessError", reason: { _tag: "Lost", command: "sh", cause: untold } })
    )
    expect(tree.left()).toStrictEqual([])
  })

  it("names a process that survives a kill in the report, and settles", async () => {
    const tree = shell("echo ready; while :; do sleep 1; done")

    const report = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(tree.command, { drainWithin: 20 })
        yield* printed(thread)
        found.isDeathless = true
        return yield* Thread.shutdown(thread, { escalation: { kill: "1 minute" } })
      })
    )
    found.isDeathless = false

    expect(report.ending._tag).toBe("Killed")
    expect(report.failed).toMatchObject([
      { error: expect.stringContaining("still there after a kill: copy (pid 1000000007) waits for a device") }
    ])
    expect(tree.left()).toStrictEqual([])
  })
})
