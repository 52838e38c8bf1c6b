/** The first thread of a run while it waits for a place to run, with the plan around the time at which its place is free. */
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as ThreadDump from "@quiesce/core/ThreadDump"
import * as Scenario from "@quiesce/testing/laws/Scenario"
import type { AnyThread } from "@quiesce/testing/laws/Subject"
import type { Happening } from "@quiesce/testing/laws/Trace"
import * as Effect from "effect/Effect"

/** The run, as far as the waiting thread needs it. `free` completes in real time, when the thread has its place. */
export interface Run {
  readonly scenario: Scenario.Scenario
  readonly cut: number | null
  readonly note: (happening: Happening) => void
  readonly fork: (effect: Effect.Effect<unknown>) => void
  readonly perform: (index: number) => void
  readonly free: Effect.Effect<void>
}

/** Frees the place of the thread after a while, and performs the plan around that time. */
export const place = (thread: AnyThread, run: Run): void => {
  const { cut, scenario } = run
  const waits = scenario.waits ?? 0
  let isNoted = false
  // The state of a thread that was not asked to end.
  const noteState = (): void => {
    if (isNoted || thread.reason !== undefined || ThreadAdapter.controlsOf(thread).poll() !== undefined) return
    isNoted = true
    const { _tag: status } = Effect.runSync(Thread.status(thread))
    const { status: dumped } = Effect.runSync(ThreadDump.of(thread))
    run.note({ _tag: "Waiting", thread: "t", status, dumped })
  }
  const free = Effect.suspend(() => {
    isNoted = true
    run.note({ _tag: "Placed", thread: "t" })
    return run.free
  })
  if (cut !== null) {
    for (const [index, { after }] of scenario.plan.entries()) {
      const acting = Effect.sync(() => {
        noteState()
        run.perform(index)
      })
      run.fork(Effect.delay(acting, Scenario.beginsAfter(waits, cut) + after))
    }
  }
  run.fork(Effect.delay(free, waits))
}
