/** Synchronous code in releases. A release is shielded, so no cancel from outside ends its loops. */
import { describe, expect, it } from "@effect/vitest"
import { Blocking, CancelReason, Deadline, Lease, StopToken, Thread } from "@quiesce/core"
import { Duration, Effect, Exit, Latch, type Scope } from "effect"
import { defectTags, endsIn, failureTag, makeHand } from "./support.ts"

const now = { startImmediately: true } as const

const poll = (token: StopToken.StopToken): void => {
  for (let i = 0; i < 10_000; i++) token.check()
}

/** A thread that holds a lease for ever. */
const holding = (
  release: Effect.Effect<unknown, unknown>,
  releaseWithin: number | undefined,
  around: <A, E>(body: Effect.Effect<A, E, Scope.Scope>) => Effect.Effect<A, unknown, Scope.Scope> = (body) => body
) =>
  Thread.spawn(
    around(
      Effect.scoped(
        Effect.andThen(
          Lease.acquire({ name: "held", acquire: Effect.void, release: () => release, releaseWithin }),
          Effect.never
        )
      )
    ),
    now
  )

const released = { acquired: 1, released: 1, failed: 0, timedOut: 0, lost: 0 }

const releases: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]> = [
  ["a section that polls its token", Blocking.interruptible(poll)],
  ["code that polls a token of the release", Effect.map(StopToken.current, poll)],
  [
    "a promise that polls a token of the release",
    Effect.flatMap(StopToken.current, (token) => Effect.promise(() => Promise.resolve().then(() => poll(token))))
  ]
]

describe.each([
  ["without a limit", undefined],
  ["with releaseWithin", 1000]
] as const)("a release %s", (_, within) => {
  for (const [what, release] of releases) {
    it.effect(`of an interrupted thread runs ${what} to its end`, () =>
      Effect.gen(function* () {
        const thread = yield* holding(release, within)
        yield* Thread.interrupt(thread)
        expect(yield* Lease.tally(thread)).toEqual(released)
      })
    )

    it.effect(`after a deadline runs ${what} to its end`, () =>
      Effect.gen(function* () {
        const thread = yield* holding(release, within, Deadline.within(10))
        expect(
          yield* endsIn(failureTag(Thread.join(thread) as Effect.Effect<never, Deadline.DeadlineExceeded>), 10)
        ).toBe("DeadlineExceeded")
        expect(yield* Lease.tally(thread)).toEqual(released)
      })
    )
  }

  it.effect("of an interrupted thread runs code that polls the token of the body", () =>
    Effect.gen(function* () {
      let token: StopToken.StopToken | undefined
      const take = Effect.map(StopToken.current, (current) => (token = current))
      const release = Effect.sync(() => poll(token!))
      const thread = yield* holding(release, within, (body) => Deadline.within(Effect.andThen(take, body), 10))
      yield* Thread.interrupt(thread)
      expect(() => token!.check()).toThrow(CancelReason.CancelError)
      expect(yield* Lease.tally(thread)).toEqual(released)
      const late = yield* holding(release, within, (body) => Deadline.within(Effect.andThen(take, body), 10))
      yield* endsIn(Thread.await(late), 10)
      expect(() => token!.check()).toThrow("The deadline has passed")
      expect(yield* Lease.tally(late)).toEqual(released)
    })
  )

  it.effect("has its own deadline, and no other", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const note = Effect.map(Deadline.remaining, (left) => seen.push(Duration.toMillis(left)))
      const thread = yield* holding(note, within, Deadline.within(10))
      yield* endsIn(Thread.await(thread), 10)
      expect(seen).toEqual([within ?? Infinity])
    })
  )

  it.effect("does not shield the threads that it spawns", () =>
    Effect.gen(function* () {
      const exits: Array<Exit.Exit<unknown, unknown>> = []
      const release = Effect.scoped(
        Effect.gen(function* () {
          const body = Effect.flatMap(Thread.current, (self) =>
            Effect.andThen(Thread.interruptFork(self), Blocking.interruptible(poll))
          )
          exits.push(yield* Thread.await(yield* Thread.spawn(Effect.interruptible(body), now)))
        })
      )
      const thread = yield* holding(release, within)
      yield* Thread.interrupt(thread)
      expect(exits.map(Exit.hasInterrupts)).toEqual([true])
    })
  )
})

describe("a release with a limit", () => {
  it.effect("has only the rest of the limit after synchronous code", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const latch = Latch.makeUnsafe()
      const release = Effect.andThen(
        Effect.sync(() => (hand.now = 30)),
        latch.await
      )
      const thread = yield* provided(holding(release, 50, provided))
      yield* Thread.interruptFork(thread)
      expect(hand.slept).toEqual([20])
      yield* latch.open
    })
  )

  it.effect("is abandoned as timed out if its token notices the limit before the timer", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const release = Blocking.interruptible((token): never => {
        hand.now = 100
        for (;;) token.check()
      })
      const thread = yield* provided(holding(release, 50, provided))
      yield* Thread.interrupt(thread)
      expect(yield* Lease.tally(thread)).toEqual({ ...released, released: 0, timedOut: 1 })
      expect(defectTags(yield* Thread.await(thread))).toEqual(["ReleaseTimedOut"])
    })
  )

  it.effect("ends its own work by a deadline inside", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const errors: Array<string> = []
      const section = Blocking.interruptible((token): never => {
        hand.now = 20
        for (;;) token.check()
      })
      const release = Effect.map(failureTag(Deadline.within(section, 10)), (tag) => errors.push(tag))
      const thread = yield* provided(holding(release, 50, provided))
      yield* Thread.interrupt(thread)
      expect(errors).toEqual(["DeadlineExceeded"])
      expect(yield* Lease.tally(thread)).toEqual(released)
    })
  )
})

describe("a finalizer of an interrupted thread", () => {
  for (const [what, release] of releases) {
    it.effect(`runs ${what} to its end`, () =>
      Effect.gen(function* () {
        const ended: Array<boolean> = []
        const work = Effect.acquireRelease(Effect.void, () =>
          Effect.onExit(Effect.orDie(release), (exit) => Effect.sync(() => ended.push(Exit.isSuccess(exit))))
        )
        const thread = yield* Thread.spawn(Effect.andThen(work, Effect.never), now)
        yield* Thread.interrupt(thread)
        expect(ended).toEqual([true])
      })
    )
  }
})
