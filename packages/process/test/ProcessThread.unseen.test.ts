/** The report on a system that does not list its processes, such as macOS. */
import { Thread } from "@quiesce/core"
import { ProcessThread } from "@quiesce/process"
import * as Effect from "effect/Effect"
import { expect, it, vi } from "vitest"
import type * as Table from "../src/internal/child/processTable.ts"
import { printed, run, shell } from "./processSupport.ts"

vi.mock("../src/internal/child/processTable.ts", async (original) => ({
  ...(await original<typeof Table>()),
  isShown: false
}))

it.skipIf(process.platform === "win32")(
  "a kill without a list of processes kills the group, and reports that other processes were not searched",
  async () => {
    const ignoring = "trap '' TERM; while :; do sleep 1; done"
    const tree = shell(`sh -c "${ignoring}" & echo ready; ${ignoring}`)

    const report = await run(
      Effect.gen(function* () {
        const thread = yield* ProcessThread.spawn(tree.command)
        yield* printed(thread)
        return yield* Thread.shutdown(thread, { escalation: { kill: "1 minute" } })
      })
    )

    expect(report.ending._tag).toBe("Killed")
    expect(report.lost.map(({ lease }) => lease)).toStrictEqual([
      `processes of sh outside its group, which ${process.platform} does not show`
    ])
    expect(tree.left()).toStrictEqual([])
  }
)

it.skipIf(process.platform === "win32")(
  "a join without a list of processes ends the rest of a group whose leader has ended",
  async () => {
    const tree = shell("sh -c 'while :; do sleep 1; done' & exit 3")

    const exit = await run(Effect.flatMap(ProcessThread.spawn(tree.command, { drainWithin: 20 }), Thread.join))

    expect(exit).toStrictEqual({ _tag: "Exited", code: 3 })
    expect(tree.left()).toStrictEqual([])
  }
)
