import { expect, it } from "@effect/vitest"
import { Blocking, Deadline, StopToken, Thread } from "@quiesce/core"
import { Cause, Effect, Exit, Logger } from "effect"
import { vi } from "vitest"

const mask = vi.hoisted(() => ({ isIgnored: true }))

/** An Effect whose fibers don't show their masks to the trial, which runs once. */
vi.mock("effect/Effect", async (original) => {
  const real = await original<typeof Effect>()
  return {
    ...real,
    uninterruptible: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      mask.isIgnored ? effect : real.uninterruptible(effect)
  }
})

it.live("Blocking.interruptible does not end a section if the masks of fibers can't be read", () =>
  Effect.gen(function* () {
    const warnings: Array<unknown> = []
    const logger = Logger.make(({ message }) => void warnings.push(String(message)))
    const section = Blocking.interruptible((token) => {
      while (!token.interrupted);
      const until = Date.now() + 20
      while (Date.now() < until);
      return "went on"
    })
    const thread = Thread.spawn(Deadline.within(section, 5), { startImmediately: true })
    const joined = Effect.scoped(Effect.flatMap(thread, Thread.join))
    expect(yield* Effect.provide(joined, Logger.layer([logger]))).toBe("went on")
    yield* Effect.yieldNow
    expect(warnings).toEqual([expect.stringMatching(/another version of Effect.*no section is ended at its deadline/)])
  })
)

it.live("the check of a token does not throw for a cancel if the masks of fibers can't be read", () =>
  Effect.gen(function* () {
    // The trial has failed for the life of the process. From now on masks hold again.
    yield* Effect.ignore(
      Deadline.within(
        Blocking.interruptible(() => {}),
        1000
      )
    )
    mask.isIgnored = false
    const log: Array<string> = []
    const acquire = Effect.gen(function* () {
      log.push("opened")
      yield* Thread.interrupt(yield* Thread.current).pipe(Effect.forkDetach({ startImmediately: true }))
      const token = yield* StopToken.current
      token.check()
      log.push(token.interrupted ? "acquired while interrupted" : "acquired")
    })
    const body = Effect.andThen(
      Effect.acquireRelease(acquire, () => Effect.sync(() => log.push("released"))),
      Effect.never
    )
    const thread = yield* Thread.spawn(body, { startImmediately: true })
    const exit = yield* Thread.await(thread)
    expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
    expect(log).toEqual(["opened", "acquired while interrupted", "released"])
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))
)
