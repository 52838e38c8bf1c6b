import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Deadline, StopToken, Thread } from "@quiesce/core"
import { Effect } from "effect"
import { endsIn, failureTag, hung } from "./support.ts"

const now = { startImmediately: true } as const

/** The state of a token as a loop sees the token. */
const look = (token: StopToken.StopToken) => ({
  stopRequested: token.stopRequested,
  interrupted: token.interrupted,
  message: token.reason?.message
})

const calm = { stopRequested: false, interrupted: false, message: undefined }

/** A thread that never ends by itself, and its token. */
const withToken = (body: Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    let token: StopToken.StopToken | undefined
    const thread = yield* Thread.spawn(
      Effect.andThen(
        Effect.map(StopToken.current, (found) => (token = found)),
        body
      ),
      now
    )
    return { thread, token: token! }
  })

describe("StopToken.current", () => {
  it.effect("shows a stop as a stop, and an interrupt as both", () =>
    Effect.gen(function* () {
      const { thread, token } = yield* withToken(hung)
      expect(look(token)).toEqual(calm)
      yield* Thread.stop(thread, { reason: CancelReason.stopped({ message: "enough" }) })
      expect(look(token)).toEqual({ stopRequested: true, interrupted: false, message: "enough" })
      expect(() => token.check()).not.toThrow()
      yield* Thread.interruptFork(thread)
      expect(look(token)).toEqual({ stopRequested: true, interrupted: true, message: "enough" })
      expect(() => token.check()).toThrow(CancelReason.CancelError)
      yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 1 } }), 1)
    })
  )

  it.effect("throws the same error as the signal", () =>
    Effect.gen(function* () {
      const { thread, token } = yield* withToken(hung)
      yield* Thread.interruptFork(thread)
      let thrown: unknown
      try {
        token.check()
      } catch (error) {
        thrown = error
      }
      expect(thrown).toBe(thread.signal.reason)
      yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 1 } }), 1)
    })
  )

  it.effect("of an interrupted and then abandoned thread still shows the interrupt", () =>
    Effect.gen(function* () {
      const { thread, token } = yield* withToken(hung)
      yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 1 } }), 1)
      expect(look(token)).toMatchObject({ stopRequested: true, interrupted: true })
      expect(() => token.check()).toThrow("Shutting down")
    })
  )

  it.effect("shows that the deadline has passed, at the latest after 64 checks", () =>
    Effect.gen(function* () {
      const tokenLater = Effect.gen(function* () {
        const token = yield* StopToken.current
        token.check()
        yield* Effect.sleep(20)
        return token
      })
      const late = Effect.uninterruptible(
        Effect.tap(tokenLater, (token) =>
          Effect.sync(() => {
            expect(look(token)).toMatchObject({ stopRequested: true, interrupted: true })
            expect(token.reason).toMatchObject({ _tag: "DeadlineExceeded", deadline: 10 })
            expect(() => {
              for (let i = 0; i < 64; i++) token.check()
            }).toThrow("The deadline has passed")
          })
        )
      )
      const thread = yield* Thread.spawn(Deadline.within(late, 10), now)
      expect(yield* endsIn(failureTag(Thread.join(thread)), 20)).toBe("DeadlineExceeded")
    })
  )

  it.effect("on the main thread never reports a request to end", () =>
    Effect.gen(function* () {
      const token = yield* StopToken.current
      token.check()
      expect([token.stopRequested, token.interrupted, token.reason]).toEqual([false, false, undefined])
    })
  )
})

describe("StopToken.fromSignal", () => {
  it("follows a signal: stop and interrupt coincide", () => {
    const controller = new AbortController()
    const token = StopToken.fromSignal(controller.signal)
    expect(look(token)).toEqual(calm)
    expect(() => token.check()).not.toThrow()
    controller.abort("gone")
    expect(look(token)).toEqual({ stopRequested: true, interrupted: true, message: "Aborted: gone" })
    expect(() => token.check()).toThrow("Aborted: gone")
  })
})
