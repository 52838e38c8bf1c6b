import { describe, expect, it } from "@effect/vitest"
import { Interleaving, Journal } from "@quiesce/testing"
import { Effect, Ref, Semaphore } from "effect"

/** Reads a value, yields, and writes the value. Two such fibers may lose an update. */
const increment = (counter: Ref.Ref<number>) =>
  Effect.flatMap(Ref.get(counter), (value) => Effect.andThen(Effect.yieldNow, Ref.set(counter, value + 1)))

const counting = (guard: (work: Effect.Effect<void>) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const counter = yield* Ref.make(0)
    yield* Effect.all([guard(increment(counter)), guard(Effect.delay(increment(counter), 1))], { concurrency: 2 })
    const value = yield* Ref.get(counter)
    if (value !== 2) return yield* Effect.fail(`counted ${value}`)
  })

/** Takes two locks, one after the other. */
const both = (first: Semaphore.Semaphore, second: Semaphore.Semaphore) =>
  first
    .withPermits(1)(Effect.andThen(Effect.yieldNow, second.withPermits(1)(Journal.resource("both"))))
    .pipe(Effect.scoped)

describe("Interleaving.explore", () => {
  it.effect("finds an update that is lost in some orders, and reports the seeds that show the loss", () =>
    Effect.gen(function* () {
      const racy = Effect.gen(function* () {
        const counter = yield* Ref.make(0)
        const slow = Effect.andThen(Effect.yieldNow, increment(counter))
        yield* Effect.all([increment(counter), slow], { concurrency: 2 })
        const value = yield* Ref.get(counter)
        if (value !== 2) return yield* Effect.fail(`counted ${value}`)
      })
      const found = yield* Interleaving.explore(racy)
      expect(found.orders).toBe(100)
      expect(found.findings.length).toBeGreaterThan(0)
      expect(found.findings.length).toBeLessThan(100)
      const [{ seed, problems }] = found.findings as [Interleaving.Finding]
      const again = yield* Interleaving.explore(racy, { seeds: [seed] })
      expect(again.findings).toEqual([found.findings[0]])
      expect(problems.join()).toContain("counted 1")
    })
  )

  it.effect("also reorders fibers that wake at the same time", () =>
    Effect.gen(function* () {
      const racy = Effect.gen(function* () {
        const counter = yield* Ref.make(0)
        const late = Effect.delay(increment(counter), 10)
        yield* Effect.all([late, late], { concurrency: 2 })
        const value = yield* Ref.get(counter)
        if (value !== 2) return yield* Effect.fail(`counted ${value}`)
      })
      const found = yield* Interleaving.explore(racy)
      expect(found.findings.length).toBeGreaterThan(0)
      expect(found.findings[0]!.problems.join()).toContain("counted 1")
    })
  )

  it.effect("refuses zero orders, and a program that a seed does not repeat", () =>
    Effect.gen(function* () {
      for (const seeds of [0, -1, [], Number.NaN]) {
        expect((yield* Effect.flip(Interleaving.explore(Effect.void, { seeds }))).reason).toMatchObject({
          _tag: "InvalidOption",
          option: "seeds"
        })
      }
      let runs = 0
      const changing = Effect.suspend(() =>
        Effect.andThen(Effect.repeat(Effect.yieldNow, { times: ++runs }), Effect.fail("no"))
      )
      expect((yield* Effect.flip(Interleaving.explore(changing))).reason._tag).toBe("NotDeterministic")
    })
  )

  it.effect("finds nothing in a program whose result does not depend on the order", () =>
    Effect.gen(function* () {
      const lock = yield* Semaphore.make(1)
      expect((yield* Interleaving.explore(counting(lock.withPermits(1)))).findings).toEqual([])
    })
  )

  it.effect("finds a deadlock of two locks, and names the lock that each fiber waits for", () =>
    Effect.gen(function* () {
      const crossed = Effect.gen(function* () {
        const [a, b] = [yield* Semaphore.make(1), yield* Semaphore.make(1)]
        yield* Effect.all([both(a, b).pipe(Effect.withSpan("ab")), both(b, a).pipe(Effect.withSpan("ba"))], {
          concurrency: 2
        })
      })
      const error = yield* Effect.flip(Interleaving.check(crossed))
      expect(error.message).toMatch(/seeds: \[\d+\]/)
      expect(error.message).toMatch(/in ab .* waits for permits of a Semaphore/)
      expect(error.message).toMatch(/in ba .* waits for permits of a Semaphore/)
    })
  )
})
