/** Interrupts from outside of any fiber, such as a message that asks for the end of a thread. */
import { expect, it } from "@effect/vitest"
import { CancelReason, Thread } from "@quiesce/core"
import { interruptThread } from "@quiesce/core/internal"
import { Effect } from "effect"

it.live("a reason without an asker gets only the time", () =>
  Effect.gen(function* () {
    const thread = yield* Thread.spawn(Effect.never, { startImmediately: true })
    interruptThread(thread, CancelReason.aborted("gone"), 0)
    yield* Thread.await(thread)
    expect(thread.reason).toEqual({ ...CancelReason.aborted("gone"), at: expect.any(Number) })
  })
)

it.live("a reason with an asker and a time does not change", () =>
  Effect.gen(function* () {
    const thread = yield* Thread.spawn(Effect.never, { startImmediately: true })
    const reason = { ...CancelReason.interrupted(), by: "main", at: 7 }
    interruptThread(thread, reason, 0)
    yield* Thread.await(thread)
    expect(thread.reason).toBe(reason)
  })
)
