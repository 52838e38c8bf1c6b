import { describe, expect, it } from "@effect/vitest"
import { Blocking, CancelReason, Deadline, StopToken, Thread, ThreadGroup } from "@quiesce/core"
import { Clock, Duration, Effect, Exit, Option } from "effect"
import { TestClock } from "effect/testing"
import { defectTag, endsIn, failureTag, makeHand, messages, settle } from "./support.ts"

const now = { startImmediately: true } as const

/** The time at which an effect has ended. */
const at = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.andThen(Effect.exit(effect), Clock.currentTimeMillis)

describe("Deadline.within", () => {
  it.effect("fails with DeadlineExceeded after the finalizers, which see the reason", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const work = Effect.onExit(Effect.never, (exit) =>
        Effect.andThen(
          Effect.sleep(10),
          Effect.sync(() => seen.push(Option.getOrThrow(CancelReason.fromExit(exit))))
        )
      )
      const error = yield* endsIn(Effect.flip(Deadline.within(work, 50)), 60)
      expect(error).toMatchObject({ _tag: "DeadlineExceeded", millis: 50, suppressed: [] })
      expect(JSON.parse(JSON.stringify(error))).toMatchObject({ message: error.message, millis: 50 })
      expect(seen).toMatchObject([{ _tag: "DeadlineExceeded", deadline: 50 }])
      expect(yield* Clock.currentTimeMillis).toBe(60)
    })
  )

  it.effect("does not change an effect that ends in time", () =>
    Effect.gen(function* () {
      expect(yield* endsIn(Effect.as(Effect.sleep(49), "done").pipe(Deadline.within(50)), 49)).toBe("done")
      expect(yield* Effect.flip(Deadline.within(Effect.fail("no"), 50))).toBe("no")
    })
  )

  it.effect("can be nested, and the earliest deadline applies", () =>
    Effect.gen(function* () {
      const inner = yield* endsIn(at(Effect.never.pipe(Deadline.within(20), Deadline.within(50))), 50)
      expect(inner).toBe(20)
      const outer = yield* endsIn(at(Effect.never.pipe(Deadline.within(500), Deadline.within(50))), 50)
      expect(outer).toBe(inner + 30 + 50)
    })
  )

  it.effect("around another deadline fails as the outer deadline, through the inner one", () =>
    Effect.gen(function* () {
      const nested = Effect.never.pipe(Deadline.within(500), Deadline.within(50))
      const error = yield* endsIn(Effect.flip(nested), 50)
      expect(error).toMatchObject({ _tag: "DeadlineExceeded", millis: 50, suppressed: [] })
    })
  )

  it.effect("of no time interrupts at the first wait", () =>
    Effect.gen(function* () {
      expect(yield* endsIn(failureTag(Deadline.within(Effect.never, 0)), 0)).toBe("DeadlineExceeded")
    })
  )

  it.effect("ends only its effect, and the thread continues", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.andThen(Effect.exit(Deadline.within(Effect.never, 10)), Effect.succeed("on")),
        now
      )
      expect(yield* endsIn(Thread.join(thread), 10)).toBe("on")
      expect(thread.signal.aborted).toBe(false)
    })
  )

  it.effect("passes on an interrupt of the thread, with its reason and no DeadlineExceeded", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Deadline.within(Effect.never, 10), now)
      yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "why" }) })
      yield* TestClock.adjust(10)
      const exit = yield* Thread.await(thread)
      expect(messages(exit)).toEqual(["why"])
      expect(Exit.hasInterrupts(exit)).toBe(true)
    })
  )

  it.effect("can be caught by its tag, also if finalizers fail besides, and carries their failures", () =>
    Effect.gen(function* () {
      const work = Effect.never.pipe(
        Effect.ensuring(Effect.die("bad")),
        Effect.ensuring(Effect.orDie(Effect.fail("worse")))
      )
      const caught = Effect.catchTag(Deadline.within(work, 10), "DeadlineExceeded", (error) => Effect.succeed(error))
      const error = yield* endsIn(caught, 10)
      expect(new Set(error.suppressed)).toEqual(new Set(["bad", "worse"]))
      expect(error.message).toMatch(/2 finalizers failed: .*bad/)
    })
  )

  it.effect("leaves no timer behind", () =>
    Effect.gen(function* () {
      let interrupted = false
      yield* Deadline.within(Effect.void, 10)
      yield* Effect.onInterrupt(endsIn(Effect.sleep(100), 100), () => Effect.sync(() => (interrupted = true)))
      expect(interrupted).toBe(false)
    })
  )

  it.effect("refuses an invalid time and runs nothing", () =>
    Effect.gen(function* () {
      let ran = false
      const work = Effect.sync(() => (ran = true))
      for (const given of [-1, NaN, Infinity, "Infinity" as const]) {
        expect(yield* defectTag(Deadline.within(work, given))).toBe("InvalidDuration")
      }
      expect(ran).toBe(false)
    })
  )
})

/** Moves the time past the deadline, and then polls the token until the token throws. */
const poll =
  (hand: { now: number }, at = 100) =>
  (token: StopToken.StopToken): never => {
    hand.now = at
    for (;;) token.check()
  }

const exceeded = { _tag: "DeadlineExceeded", millis: 50 }

describe("Deadline.within around synchronous code", () => {
  it.effect("fails with DeadlineExceeded if a token notices the deadline before the timer", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const work = Deadline.within(Blocking.interruptible(poll(hand)), "50 millis")
      const thread = yield* Thread.spawn(provided(Effect.flip(work)), now)
      expect(yield* Thread.join(thread)).toMatchObject(exceeded)
      expect(thread.reason).toBeUndefined()
    })
  )

  it.effect("fails with DeadlineExceeded if a section begins just when the deadline passes", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const work = Effect.gen(function* () {
        yield* Effect.sync(() => (hand.now = 50))
        yield* Blocking.interruptible(poll(hand, 50))
      })
      const thread = yield* Thread.spawn(provided(Effect.flip(Deadline.within(work, 50))), now)
      expect(yield* Thread.join(thread)).toMatchObject(exceeded)
    })
  )

  it("fails with DeadlineExceeded by the clock of the machine, every time", async () => {
    const loop = Blocking.interruptible((token): never => {
      for (;;) token.check()
    })
    for (let millis = 0; millis < 20; millis++) {
      const joined = Effect.flatMap(Thread.spawn(Effect.flip(Deadline.within(loop, millis))), Thread.join)
      const error = await Effect.runPromise(Effect.scoped(joined))
      expect(error).toMatchObject({ _tag: "DeadlineExceeded", millis })
    }
  })

  it.effect("of nested deadlines fails as the one that has passed", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const work = Blocking.interruptible(poll(hand, 60)).pipe(
        Deadline.within(50),
        Effect.flip,
        Effect.tap((error) => Effect.sync(() => expect(error).toMatchObject(exceeded))),
        Deadline.within(70)
      )
      const thread = yield* Thread.spawn(provided(work), now)
      expect(Exit.isSuccess(yield* Thread.await(thread))).toBe(true)
    })
  )

  it.effect("fails with DeadlineExceeded in a thread that was asked to stop before", () =>
    Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      const { hand, provided } = makeHand()
      const work = Effect.gen(function* () {
        yield* Thread.stop(yield* Thread.current, { reason: CancelReason.stopped({ message: "enough" }) })
        const token = yield* StopToken.current
        seen.push(token.reason?._tag)
        yield* Effect.ensuring(
          Blocking.interruptible(poll(hand)),
          // The request is older, but only the deadline interrupts.
          Effect.sync(() => seen.push(token.reason?._tag))
        )
      })
      const thread = yield* Thread.spawn(provided(Effect.flip(Deadline.within(work, 50))), now)
      expect(yield* Thread.join(thread)).toMatchObject(exceeded)
      expect(seen).toEqual(["Stopped", "DeadlineExceeded"])
      expect(thread.reason).toMatchObject({ _tag: "Stopped", message: "enough" })
    })
  )

  it.effect("fails with DeadlineExceeded if the token belongs to a child", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const child = Effect.scoped(Effect.flatMap(Thread.spawn(Blocking.interruptible(poll(hand))), Thread.join))
      const thread = yield* Thread.spawn(provided(Effect.flip(Deadline.within(child, 50))), now)
      expect(yield* Thread.join(thread)).toMatchObject(exceeded)
    })
  )

  it.effect("is noticed after 64 checks at the latest, also if a token without a deadline was used before", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const section = (token: StopToken.StopToken): string => {
        hand.now = 100
        for (let i = 0; i < 64; i++) token.check()
        return "missed"
      }
      const work = Effect.andThen(
        Effect.map(StopToken.current, (token) => token.check()),
        Deadline.within(Blocking.interruptible(section), 50)
      )
      const thread = yield* Thread.spawn(provided(Effect.flip(work)), now)
      expect(yield* Thread.join(thread)).toMatchObject(exceeded)
    })
  )

  it.effect("keeps the interrupt and the reason of a thread that was also interrupted", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const work = Effect.gen(function* () {
        yield* Thread.interruptFork(yield* Thread.current, { reason: CancelReason.interrupted({ message: "why" }) })
        yield* Blocking.interruptible(poll(hand))
      })
      const thread = yield* Thread.spawn(provided(Deadline.within(work, 50)), now)
      const exit = yield* Thread.await(thread)
      expect(new Set(messages(exit))).toEqual(new Set(["why"]))
    })
  )

  it.effect("is a failure for the group of the thread", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const group = yield* ThreadGroup.make<unknown>()
      const sibling = yield* ThreadGroup.spawn(group, Effect.never, now)
      yield* ThreadGroup.spawn(group, provided(Deadline.within(Blocking.interruptible(poll(hand)), 50)), now)
      expect(yield* failureTag(ThreadGroup.joinAll(group) as Effect.Effect<void, Deadline.DeadlineExceeded>)).toBe(
        "DeadlineExceeded"
      )
      expect(sibling.reason?._tag).toBe("SiblingFailed")
    })
  )

  it.effect("around a group fails with DeadlineExceeded, although only a member has noticed the deadline", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const siblings: Array<Thread.Thread<never>> = []
      const work = Effect.scoped(
        Effect.gen(function* () {
          const group = yield* ThreadGroup.make<unknown>()
          siblings.push(yield* ThreadGroup.spawn(group, Effect.never, now))
          yield* ThreadGroup.spawn(group, Blocking.interruptible(poll(hand)))
          yield* ThreadGroup.joinAll(group)
        })
      )
      const thread = yield* Thread.spawn(
        provided(failureTag(Deadline.within(work, 50) as Effect.Effect<void, Deadline.DeadlineExceeded>)),
        now
      )
      expect(yield* Thread.join(thread)).toBe("DeadlineExceeded")
      expect(siblings[0]!.reason?._tag).toBe("SiblingFailed")
    })
  )
})

describe("Deadline.remaining", () => {
  it.effect("is infinite without a deadline, otherwise the remaining time, never less than zero", () =>
    Effect.gen(function* () {
      expect(yield* Deadline.remaining).toEqual(Duration.infinity)
      const left = Effect.gen(function* () {
        const before = yield* Deadline.remaining
        yield* Effect.sleep(30)
        const after = yield* Deadline.remaining
        yield* Effect.exit(Effect.uninterruptible(Effect.sleep(100)))
        return [before, after].map(Duration.toMillis)
      })
      expect(yield* endsIn(Deadline.within(left, 200), 130)).toEqual([50 + 150, 170])
      const late = Effect.uninterruptible(Effect.andThen(Effect.sleep(20), Deadline.remaining))
      let seen = -1
      const observed = Effect.tap(late, (duration) => Effect.sync(() => (seen = Duration.toMillis(duration))))
      yield* endsIn(Effect.exit(Deadline.within(Effect.uninterruptible(observed), 10)), 20)
      expect(seen).toBe(0)
    })
  )

  it.effect("is seen by a child thread", () =>
    Effect.gen(function* () {
      yield* settle
      const spawned = Effect.flatMap(Thread.spawn(Deadline.remaining), Thread.join)
      expect(yield* Deadline.within(spawned, 50)).toEqual(Duration.millis(50))
    })
  )
})
