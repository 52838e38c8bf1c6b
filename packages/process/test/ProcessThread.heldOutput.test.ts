/** An output that a process holds which can't be found: it has a cleared environment, its own session and no parent. */
import { Thread } from "@quiesce/core"
import { ProcessThread } from "@quiesce/process"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ChildProcess } from "effect/process"
import { afterEach, describe, expect, it } from "vitest"
import { run, showsProcesses } from "./processSupport.ts"
import { start } from "./support.ts"

let holder = 0
afterEach(() => {
  // The number 0 would be the group of this process.
  if (holder > 0) process.kill(holder, "SIGKILL")
  holder = 0
})

/** Prints the number of the process that holds the output, and a second line when the parent of that process has ended. */
const script = `env -i PATH="$PATH" sh -c '(setsid sleep 1000 </dev/null & echo $!)'; echo ready; while :; do sleep 0.1; done`

const startHeld = Effect.gen(function* () {
  const thread = yield* ProcessThread.spawn(ChildProcess.make("sh", ["-c", script]), { drainWithin: 60_000 })
  const lines = Stream.splitLines(Stream.decodeText(thread.stdout))
  const [first] = yield* Stream.runCollect(Stream.take(lines, 2))
  holder = Number(first)
  return thread
})

describe.skipIf(!showsProcesses)("an output that another process holds", () => {
  it.each(["output", "third"])("does not keep this process alive after the end of the thread: %s", async (held) => {
    const { code, out } = await start("heldOutput", { args: [held] }).ended

    const printed: { readonly holder: number; readonly exit: unknown } = JSON.parse(out)
    holder = printed.holder
    expect(printed.exit).toStrictEqual({ _tag: "Exited", code: 0 })
    expect(code).toBe(0)
    expect(process.kill(holder, 0)).toBe(true)
  })

  it("does not have the thread abandoned after a kill", async () => {
    const report = await run(
      Effect.flatMap(startHeld, (thread) =>
        Thread.shutdown(thread, { escalation: { interrupt: 20, kill: "4 seconds" } })
      )
    )

    // On a busy machine the kill may come before the interrupt has ended the shell.
    expect(["Interrupted", "Killed"]).toContain(report.ending._tag)
    expect(report.lost).toEqual([])
  })
})
