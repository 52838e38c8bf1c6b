import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Deadline, Lease, Thread, ThreadDump, ThreadMap } from "@quiesce/core"
import { Cause, Clock, Context, Data, Deferred, Effect, Exit, Fiber, Logger, Option, Scope } from "effect"
import { endsIn, defectTag, hung, messages, settle } from "./support.ts"

class Lost extends Data.TaggedError("Lost")<{}> {}
class Place extends Data.Class<{ readonly x: number; readonly y: number }> {}

const now = { startImmediately: true } as const
const stubborn = { ...now, escalation: { interrupt: 10 } } as const

const cleansUp = (millis: number) => Effect.ensuring(Effect.never, Effect.sleep(millis))
const failsAfter = (millis: number, error: string) => Effect.andThen(Effect.sleep(millis), Effect.fail(error))

/** A body that records its start and, after its finalizer has slept, its end. */
const noted = (log: Array<string>, name: string, cleanup = 0) =>
  Effect.gen(function* () {
    log.push(`${name} begins`)
    return yield* Effect.never
  }).pipe(
    Effect.ensuring(
      Effect.andThen(
        Effect.sleep(cleanup),
        Effect.sync(() => log.push(`${name} has ended`))
      )
    )
  )

describe("ThreadMap.run", () => {
  it.effect("starts the effect that is piped into it, with and without options", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string, Lost>()
      const plain = yield* Effect.never.pipe(ThreadMap.run(map, "a"))
      const named = yield* Effect.never.pipe(ThreadMap.run(map, "b", { ...now, name: "named" }))
      const unnamed = yield* Effect.never.pipe(ThreadMap.run(map, "c", { ...now, name: undefined }))
      expect([plain.name, named.name, unnamed.name]).toEqual(["a", "named", "c"])
      expect(yield* ThreadMap.size(map)).toBe(3)
    })
  )

  it.effect("starts an effect that is an error, although an error has a name like the options", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string, Lost>()
      const thread = yield* ThreadMap.run(map, "a", new Lost())
      expect(yield* Effect.flip(Thread.join(thread))).toBeInstanceOf(Lost)
    })
  )

  it.effect("removes the key once the thread has ended, also with a failure", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string, string>()
      yield* ThreadMap.run(map, "value", Effect.sleep(5), now)
      yield* ThreadMap.run(map, "failure", failsAfter(10, "no"), now)
      expect([...map].map(([key]) => key)).toEqual(["value", "failure"])
      yield* endsIn(Effect.sleep(5), 5)
      expect([...map].map(([key]) => key)).toEqual(["failure"])
      yield* endsIn(ThreadMap.awaitEmpty(map), 5)
      expect(yield* ThreadMap.size(map)).toBe(0)
    })
  )

  it.effect("runs a thread that ends in the step of its start, and keeps no key", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const thread = yield* ThreadMap.run(map, "a", Effect.succeed("done"), now)
      expect(yield* ThreadMap.has(map, "a")).toBe(false)
      expect(yield* Thread.join(thread)).toBe("done")
    })
  )

  it.effect("treats equal keys as one key", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<Place>()
      const first = yield* ThreadMap.run(map, new Place({ x: 1, y: 2 }), Effect.never, now)
      yield* ThreadMap.run(map, new Place({ x: 1, y: 2 }), Effect.never)
      yield* settle
      expect(yield* Thread.isAlive(first)).toBe(false)
      expect(yield* ThreadMap.size(map)).toBe(1)
    })
  )

  it.effect("replaces a thread: the new body begins after the last finalizer of the old thread", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const map = yield* ThreadMap.make<string>()
      const first = yield* ThreadMap.run(map, "a", noted(log, "first", 10), now)
      yield* settle
      const second = yield* endsIn(ThreadMap.run(map, "a", noted(log, "second"), now), 0)
      expect(log).toEqual(["first begins"])
      expect(Option.getOrUndefined(yield* ThreadMap.get(map, "a"))).toBe(second)
      yield* endsIn(Thread.await(first), 10)
      yield* settle
      expect(log).toEqual(["first begins", "first has ended", "second begins"])
      expect(messages(yield* Thread.await(first))).toEqual(["Replaced by another thread of its key"])
      expect(first.reason).toMatchObject({ by: "main", at: 0 })
    })
  )

  it.effect("replaces a replaced thread that waits, whose body never begins", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const map = yield* ThreadMap.make<string>()
      yield* ThreadMap.run(map, "a", noted(log, "first", 10), now)
      yield* settle
      const second = yield* ThreadMap.run(map, "a", noted(log, "second"), now)
      yield* ThreadMap.run(map, "a", noted(log, "third"), now)
      yield* settle
      expect(yield* Thread.isAlive(second)).toBe(false)
      expect(log).toEqual(["first begins"])
      yield* endsIn(Effect.sleep(10), 10)
      expect(log).toEqual(["first begins", "first has ended", "third begins"])
    })
  )

  it.effect("maps the key to the older thread again if the new one ends first", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const map = yield* ThreadMap.make<string>()
      const first = yield* ThreadMap.run(map, "a", noted(log, "first", 10), now)
      yield* settle
      const second = yield* ThreadMap.run(map, "a", noted(log, "second"), now)
      yield* Thread.interrupt(second)
      expect(Option.getOrUndefined(yield* ThreadMap.get(map, "a"))).toBe(first)
      yield* ThreadMap.run(map, "a", noted(log, "third"), now)
      yield* endsIn(Effect.sleep(10), 10)
      expect(log).toEqual(["first begins", "first has ended", "third begins"])
      expect(messages(yield* Thread.await(first))).toEqual(["Replaced by another thread of its key"])
    })
  )

  it.effect("climbs the escalation of a replaced thread, and then starts the new one", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const first = yield* ThreadMap.run(map, "a", hung, stubborn)
      const second = yield* ThreadMap.run(map, "a", Effect.succeed("done"), now)
      expect(yield* endsIn(Thread.join(second), 10)).toBe("done")
      expect((yield* Thread.status(first))._tag).toBe("Abandoned")
    })
  )

  it.effect("in the thread of the same key ends that thread, and the new body begins after it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const map = yield* ThreadMap.make<string>()
      const replacesItself = Effect.ensuring(
        Effect.andThen(
          Effect.suspend(() => ThreadMap.run(map, "a", noted(log, "second"), now)),
          Effect.never
        ),
        Effect.sync(() => log.push("first has ended"))
      )
      yield* ThreadMap.run(map, "a", replacesItself, now)
      yield* settle
      expect(log).toEqual(["first has ended", "second begins"])
    })
  )

  it.effect("with onlyIfMissing starts nothing while the key has a thread, even one that ends", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const map = yield* ThreadMap.make<string>()
      const first = yield* ThreadMap.run(map, "a", noted(log, "first", 10), { ...now, onlyIfMissing: true })
      yield* settle
      const second = yield* ThreadMap.run(map, "a", noted(log, "second"), { ...now, onlyIfMissing: true })
      expect(yield* Thread.isAlive(second)).toBe(false)
      expect(messages(yield* Thread.await(second))).toEqual(["Its key already has a thread"])
      expect((yield* Thread.status(first))._tag).toBe("Running")
      yield* Thread.interruptFork(first)
      yield* ThreadMap.run(map, "a", noted(log, "third"), { ...now, onlyIfMissing: true })
      yield* endsIn(Thread.await(first), 10)
      yield* ThreadMap.run(map, "a", noted(log, "fourth"), { ...now, onlyIfMissing: true })
      expect(log).toEqual(["first begins", "first has ended", "fourth begins"])
    })
  )

  it.effect("after the map's scope has closed starts nothing, and returns an ended thread", () =>
    Effect.gen(function* () {
      let ran = false
      const map = yield* Effect.scoped(ThreadMap.make<string>())
      const late = yield* ThreadMap.run(
        map,
        "a",
        Effect.sync(() => (ran = true)),
        now
      )
      expect([yield* Thread.isAlive(late), late.reason?._tag]).toEqual([false, "ParentEnded"])
      yield* settle
      expect([ran, yield* ThreadMap.size(map)]).toEqual([false, 0])
    })
  )

  it.effect("in the map of a cancelled thread starts nothing, and does not replace the thread of the key", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      let late: Thread.Thread<unknown> | undefined
      const owner = yield* Thread.spawn(
        Effect.gen(function* () {
          const map = yield* ThreadMap.make<string>()
          yield* ThreadMap.run(map, "a", noted(log, "first", 5), now)
          yield* settle
          const run = Effect.suspend(() => ThreadMap.run(map, "a", noted(log, "late"), now))
          return yield* Effect.ensuring(
            Effect.never,
            Effect.map(run, (thread) => (late = thread))
          )
        }),
        now
      )
      yield* endsIn(Thread.interrupt(owner, { reason: CancelReason.interrupted({ message: "why" }) }), 5)
      expect(messages(yield* Thread.await(late!))).toEqual(["why"])
      expect(log).toEqual(["first begins", "first has ended"])
    })
  )

  it.effect("from another thread makes a child of the map's own thread, which the dump shows", () =>
    Effect.gen(function* () {
      const owner = yield* Thread.spawn(
        Effect.gen(function* () {
          const map = yield* ThreadMap.make<string>()
          const other = yield* Thread.spawn(ThreadMap.run(map, "a", Effect.never, { name: "in the map" }))
          const thread = yield* Thread.join(other)
          expect(ThreadDump.render(yield* ThreadDump.make)).toContain("in the map")
          return thread.parent
        })
      )
      expect(yield* Thread.join(owner)).toBe(owner)
    })
  )
})

describe("ThreadMap.get and ThreadMap.has", () => {
  it.effect("find the thread of a key, as a plain call and at the end of a pipe", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<number>()
      const thread = yield* ThreadMap.run(map, 1, Effect.never)
      expect(Option.getOrUndefined(yield* ThreadMap.get(map, 1))).toBe(thread)
      expect(Option.getOrUndefined(yield* map.pipe(ThreadMap.get(1)))).toBe(thread)
      expect(yield* ThreadMap.get(map, 2)).toEqual(Option.none())
      expect([yield* ThreadMap.has(map, 1), yield* map.pipe(ThreadMap.has(2))]).toEqual([true, false])
      expect([...map]).toEqual([[1, thread]])
    })
  )
})

describe("ThreadMap.remove", () => {
  it.effect("ends the thread by its escalation, waits, and does not affect the other keys", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const stops = yield* ThreadMap.run(map, "a", Effect.as(Thread.awaitStop, "drained"), {
        ...now,
        escalation: { stop: 10, interrupt: 10 }
      })
      const other = yield* ThreadMap.run(map, "b", Effect.never, now)
      yield* endsIn(ThreadMap.remove(map, "a"), 0)
      expect(yield* Thread.join(stops)).toBe("drained")
      expect(stops.reason).toMatchObject({ message: "Removed from its map", by: "main" })
      expect([yield* Thread.isAlive(other), yield* ThreadMap.size(map)]).toEqual([true, 1])
    })
  )

  it.effect("of a key without a thread does nothing", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      yield* ThreadMap.remove(map, "a")
      expect(yield* ThreadMap.size(map)).toBe(0)
    })
  )

  it.effect("makes every caller wait for the last finalizer, and passes the reason", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const thread = yield* ThreadMap.run(map, "a", cleansUp(10), now)
      yield* settle
      const reason = CancelReason.interrupted({ message: "why" })
      const both = Effect.all([ThreadMap.remove(map, "a", { reason }), map.pipe(ThreadMap.remove("a"))], {
        concurrency: 2
      })
      yield* endsIn(both, 10)
      expect(yield* Clock.currentTimeMillis).toBe(10)
      expect(messages(yield* Thread.await(thread))).toEqual(["why"])
    })
  )

  it.effect("waits for the replaced threads of the key, too", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const map = yield* ThreadMap.make<string>()
      yield* ThreadMap.run(map, "a", noted(log, "first", 10), now)
      yield* settle
      yield* ThreadMap.run(map, "a", noted(log, "second"), now)
      yield* endsIn(ThreadMap.remove(map, "a"), 10)
      expect(log).toEqual(["first begins", "first has ended"])
      expect(yield* ThreadMap.has(map, "a")).toBe(false)
    })
  )

  it.effect("still ends the thread when its caller is interrupted", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const thread = yield* ThreadMap.run(map, "a", hung, stubborn)
      const caller = yield* Effect.forkChild(ThreadMap.remove(map, "a"), now)
      yield* Fiber.interrupt(caller)
      yield* endsIn(Thread.await(thread), 10)
      expect((yield* Thread.status(thread))._tag).toBe("Abandoned")
    })
  )

  it.effect("in the thread of the key or below interrupts and does not wait", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const removes = Effect.suspend(() => Effect.andThen(ThreadMap.remove(map, "a"), Effect.never))
      const itself = yield* ThreadMap.run(map, "a", removes)
      yield* settle
      expect(yield* Thread.isAlive(itself)).toBe(false)
      const above = yield* ThreadMap.run(map, "a", Effect.andThen(Effect.orDie(Thread.spawn(removes)), Effect.never))
      yield* settle
      expect(yield* Thread.isAlive(above)).toBe(false)
    })
  )

  it.effect("refuses an invalid reason, and does not affect the thread", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const thread = yield* ThreadMap.run(map, "a", Effect.never)
      // A caller without types could pass such a value.
      const reason = "no" as unknown as CancelReason.CancelReason
      expect(yield* defectTag(ThreadMap.remove(map, "a", { reason }))).toBe("InvalidReason")
      expect((yield* Thread.status(thread))._tag).toBe("Running")
    })
  )
})

describe("ThreadMap.clear", () => {
  it.effect("ends all threads at once, each by its own escalation, and leaves the map open", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<number>()
      yield* ThreadMap.run(map, 1, cleansUp(30), now)
      yield* ThreadMap.run(map, 2, cleansUp(20), now)
      yield* settle
      const stuck = yield* ThreadMap.run(map, 3, hung, stubborn)
      yield* endsIn(ThreadMap.clear(map), 30)
      expect(yield* Clock.currentTimeMillis).toBe(30)
      expect((yield* Thread.status(stuck))._tag).toBe("Abandoned")
      expect(yield* ThreadMap.size(map)).toBe(0)
      yield* ThreadMap.run(map, 1, Effect.never)
      expect(yield* ThreadMap.has(map, 1)).toBe(true)
      yield* map.pipe(ThreadMap.clear({ reason: CancelReason.interrupted({ message: "why" }) }))
      expect(yield* ThreadMap.size(map)).toBe(0)
    })
  )

  it.effect("in a thread of the map also interrupts that thread, and waits only for the others", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const other = yield* ThreadMap.run(map, "b", cleansUp(10), now)
      yield* settle
      const clears = Effect.uninterruptible(Effect.suspend(() => ThreadMap.clear(map)))
      const clearer = yield* ThreadMap.run(map, "a", Effect.andThen(clears, Effect.never))
      yield* endsIn(Thread.await(clearer), 10)
      expect(yield* Thread.isAlive(other)).toBe(false)
      expect(yield* ThreadMap.size(map)).toBe(0)
    })
  )
})

describe("ThreadMap, its scope", () => {
  it.effect("ends all threads at once when the scope closes, each by its own escalation", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const map = yield* Scope.provide(ThreadMap.make<string>(), scope)
      const slow = yield* ThreadMap.run(map, "a", cleansUp(30), now)
      const replaced = yield* ThreadMap.run(map, "b", cleansUp(20), now)
      yield* settle
      const waiting = yield* ThreadMap.run(map, "b", Effect.never, now)
      const stuck = yield* ThreadMap.run(map, "c", hung, stubborn)
      yield* endsIn(Scope.close(scope, Exit.void), 30)
      expect(yield* Clock.currentTimeMillis).toBe(30)
      expect((yield* Thread.status(stuck))._tag).toBe("Abandoned")
      expect(messages(yield* Thread.await(slow))).toEqual(["Its scope has closed"])
      expect(messages(yield* Thread.await(replaced))).toEqual(["Replaced by another thread of its key"])
      expect(messages(yield* Thread.await(waiting))).toEqual(["Its scope has closed"])
      expect(yield* ThreadMap.size(map)).toBe(0)
    })
  )

  it.effect("can be closed from inside a thread of the map", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const map = yield* Scope.provide(ThreadMap.make<string>(), scope)
      const other = yield* ThreadMap.run(map, "a", Effect.never, now)
      const closer = yield* ThreadMap.run(map, "b", Effect.andThen(Scope.close(scope, Exit.void), Effect.never), now)
      yield* settle
      expect([yield* Thread.isAlive(closer), yield* Thread.isAlive(other)]).toEqual([false, false])
      expect(yield* endsIn(Effect.exit(ThreadMap.join(map)), 0)).toEqual(Exit.void)
    })
  )

  it.effect("releases the leases of all threads before the owner has ended", () =>
    Effect.gen(function* () {
      const released: Array<string> = []
      const lease = (name: string) =>
        Lease.acquire({ name, acquire: Effect.void, release: () => Effect.sync(() => released.push(name)) })
      const owner = yield* Thread.spawn(
        Effect.gen(function* () {
          const map = yield* ThreadMap.make<string>()
          for (const key of ["a", "b"]) {
            yield* ThreadMap.run(map, key, Effect.andThen(lease(key), Effect.never), now)
          }
          return yield* Effect.never
        }),
        now
      )
      yield* Thread.interrupt(owner)
      expect(released.toSorted()).toEqual(["a", "b"])
    })
  )
})

describe("ThreadMap.join", () => {
  it.effect("fails with the first failure, also an earlier one, and lets the other threads continue", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string, string>()
      const other = yield* ThreadMap.run(map, "a", Effect.as(Effect.sleep(20), "done"), now)
      yield* ThreadMap.run(map, "b", failsAfter(10, "second"), now)
      yield* ThreadMap.run(map, "c", failsAfter(5, "first"), now)
      expect(yield* endsIn(Effect.exit(ThreadMap.join(map)), 5)).toEqual(Exit.fail("first"))
      yield* endsIn(Effect.sleep(5), 5)
      expect(yield* endsIn(Effect.exit(ThreadMap.join(map)), 0)).toEqual(Exit.fail("first"))
      expect(yield* endsIn(Thread.join(other), 10)).toBe("done")
    })
  )

  it.effect("waits while threads succeed and are interrupted, and returns when the scope has closed", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const map = yield* Scope.provide(ThreadMap.make<string>(), scope)
      const joiner = yield* Effect.forkChild(ThreadMap.join(map), now)
      yield* ThreadMap.run(map, "a", Effect.succeed("done"), now)
      yield* Thread.interrupt(yield* ThreadMap.run(map, "a", Effect.never, now))
      yield* ThreadMap.run(map, "a", cleansUp(10), { ...now, propagateInterruption: true })
      yield* settle
      expect(joiner.pollUnsafe()).toBeUndefined()
      const close = yield* Effect.forkChild(Scope.close(scope, Exit.void), now)
      yield* settle
      expect(joiner.pollUnsafe()).toBeUndefined()
      yield* endsIn(Fiber.join(close), 10)
      expect(yield* Fiber.await(joiner)).toEqual(Exit.void)
    })
  )

  it.effect("of a map without threads returns when the scope has closed", () =>
    Effect.gen(function* () {
      const map = yield* Effect.scoped(ThreadMap.make<string>())
      expect(yield* endsIn(Effect.exit(ThreadMap.join(map)), 0)).toEqual(Exit.void)
    })
  )

  it.effect("fails only with the failure of a removed thread whose finalizer died", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      yield* ThreadMap.run(map, "a", Effect.ensuring(Effect.never, Effect.die("cleanup")), now)
      yield* ThreadMap.remove(map, "a")
      expect(yield* endsIn(Effect.exit(ThreadMap.join(map)), 0)).toEqual(Exit.die("cleanup"))
    })
  )

  it.effect("is interrupted by an interruption that the thread propagates from other work", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const propagates = { ...now, propagateInterruption: true }
      const joiner = yield* Effect.forkChild(ThreadMap.join(map), now)
      yield* ThreadMap.run(map, "a", Effect.never, propagates)
      yield* ThreadMap.run(map, "a", Effect.never, propagates)
      yield* ThreadMap.remove(map, "a")
      yield* ThreadMap.run(map, "a", Effect.never, propagates)
      yield* ThreadMap.clear(map)
      yield* settle
      expect(joiner.pollUnsafe()).toBeUndefined()
      const thread = yield* ThreadMap.run(map, "a", Effect.never, propagates)
      yield* Thread.interrupt(thread)
      const exit = yield* endsIn(Fiber.await(joiner), 0)
      expect(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)).toBe(true)
    })
  )

  it.effect("is not interrupted when the thread of the map ends", () =>
    Effect.gen(function* () {
      const given = yield* Deferred.make<ThreadMap.ThreadMap<string>>()
      const owner = yield* Thread.spawn(
        Effect.gen(function* () {
          const map = yield* ThreadMap.make<string>()
          yield* ThreadMap.run(map, "a", Effect.never, { ...now, propagateInterruption: true })
          yield* Deferred.succeed(given, map)
          return yield* Effect.never
        }),
        now
      )
      const joiner = yield* Effect.forkChild(ThreadMap.join(yield* Deferred.await(given)), now)
      yield* Thread.interrupt(owner)
      expect(yield* endsIn(Fiber.await(joiner), 0)).toEqual(Exit.void)
    })
  )
})

/** The messages of a logger, and the effect with that logger. */
const logger = () => {
  const entries: Array<string> = []
  const collecting = Logger.make(({ message }) => void entries.push(String(message)))
  return { entries, logged: Effect.provide(Logger.layer([collecting])) }
}
const failing = (map: ThreadMap.ThreadMap<string, string>) =>
  Effect.gen(function* () {
    yield* ThreadMap.run(map, "a", Effect.fail("first"), { ...now, name: "first" })
    yield* ThreadMap.run(map, "b", Effect.fail("second"), { ...now, name: "second" })
  })

describe("a failure in a map", () => {
  for (const join of ["without a join", "a join before", "a join after"] as const) {
    it.effect(`is logged once when the scope of the map closes, unless a join has received it: ${join}`, () =>
      Effect.gen(function* () {
        const { entries, logged } = logger()
        const scope = yield* Scope.make()
        const map = yield* Scope.provide(ThreadMap.make<string, string>(), scope)
        const joiner = join === "a join before" ? yield* Effect.forkChild(ThreadMap.join(map), now) : undefined
        yield* logged(failing(map))
        if (join === "a join after") yield* Effect.exit(ThreadMap.join(map))
        if (joiner !== undefined) expect(yield* Fiber.await(joiner)).toEqual(Exit.fail("first"))
        expect(entries).toEqual([])
        yield* Scope.close(scope, Exit.void)
        yield* settle
        const unjoined = join === "without a join" ? ["first", "second"] : ["second"]
        expect(entries.toSorted()).toEqual(
          unjoined.map((name) => `Thread "${name}" has died, and no other thread has joined it`)
        )
      })
    )
  }
})

describe("ThreadMap.awaitEmpty", () => {
  it.effect("waits for all threads, also later and failed ones, and does not fail", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string, string>()
      yield* endsIn(ThreadMap.awaitEmpty(map), 0)
      yield* ThreadMap.run(map, "a", failsAfter(5, "no"), now)
      yield* ThreadMap.run(
        map,
        "b",
        Effect.andThen(
          Effect.sleep(5),
          Effect.suspend(() => later)
        ),
        now
      )
      const later = ThreadMap.run(map, "c", cleansUp(10), now)
      const waiter = yield* Effect.forkChild(ThreadMap.awaitEmpty(map), now)
      yield* endsIn(Effect.sleep(5), 5)
      expect([...map].map(([key]) => key)).toEqual(["c"])
      yield* endsIn(ThreadMap.remove(map, "c"), 10)
      expect(yield* Fiber.await(waiter)).toEqual(Exit.void)
    })
  )

  it.effect("leaves no listener when its caller is interrupted", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      yield* ThreadMap.run(map, "a", Effect.never, now)
      const waiter = yield* Effect.forkChild(ThreadMap.awaitEmpty(map), now)
      yield* Fiber.interrupt(waiter)
      yield* endsIn(ThreadMap.clear(map), 0)
      yield* endsIn(ThreadMap.awaitEmpty(map), 0)
    })
  )

  it.effect("from a thread of the map or below one fails with SelfJoin", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const waits = defectTag(ThreadMap.awaitEmpty(map))
      const below = Effect.orDie(Effect.flatMap(Thread.spawn(waits), Thread.join))
      const member = yield* ThreadMap.run(map, "a", Effect.all([waits, below]))
      expect(yield* Thread.join(member)).toEqual(["SelfJoin", "SelfJoin"])
    })
  )
})

describe("ThreadMap.runtime", () => {
  it.effect("starts threads from callbacks, at once and with the services of the fiber", () =>
    Effect.gen(function* () {
      class Greeting extends Context.Service<Greeting, string>()("Greeting") {}
      const map = yield* ThreadMap.make<string, string>()
      const start = yield* Effect.provideService(ThreadMap.runtime(map)<Greeting>(), Greeting, "hello")
      const done = start("a", Greeting)
      expect(yield* Thread.join(done)).toBe("hello")
      const first = start("b", cleansUp(10), { name: "b" })
      yield* settle
      const second = start("b", Effect.succeed("second"))
      const third = start("b", Effect.never, { onlyIfMissing: true })
      expect([first.name, yield* Thread.isAlive(third)]).toEqual(["b", false])
      expect(yield* endsIn(Thread.join(second), 10)).toBe("second")
      expect(first.reason).toMatchObject({ message: "Replaced by another thread of its key", by: "main" })
    })
  )

  it.effect("after the map's scope has closed starts nothing", () =>
    Effect.gen(function* () {
      let ran = false
      const start = yield* Effect.scoped(ThreadMap.makeRuntime<never, string>())
      const late = start(
        "a",
        Effect.sync(() => (ran = true))
      )
      expect([yield* Thread.isAlive(late), ran]).toEqual([false, false])
    })
  )
})

describe("ThreadMap.runtimePromise", () => {
  it.effect("returns a Promise of the value, the error, or the reason of an abort after the finalizers", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const run = yield* ThreadMap.makeRuntimePromise<never, string, string>()
      expect(yield* Effect.promise(() => run("a", Effect.succeed("done")))).toBe("done")
      expect(yield* Effect.promise(() => run("a", Effect.fail("no")).catch(String))).toBe("no")
      const controller = new AbortController()
      const aborted = run("a", noted(log, "aborted"), { signal: controller.signal })
      controller.abort("why")
      expect(yield* Effect.promise(() => aborted.catch(String))).toBe("why")
      expect(log).toEqual(["aborted begins", "aborted has ended"])
      const never = run("a", noted(log, "never"), { signal: controller.signal })
      expect(yield* Effect.promise(() => never.catch(String))).toBe("why")
      expect(log).toHaveLength(2)
    })
  )
})

describe("a map", () => {
  it.effect("is printed with its size only", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      yield* ThreadMap.run(map, "a", Effect.never)
      expect(JSON.parse(JSON.stringify(map))).toEqual({ _id: "ThreadMap", size: 1 })
    })
  )

  it.effect("makes joins fail with DeadlineExceeded if the token of a thread notices the deadline", () =>
    Effect.gen(function* () {
      const map = yield* ThreadMap.make<string, Deadline.DeadlineExceeded>()
      yield* ThreadMap.run(map, "a", Deadline.within(Effect.never, 10), now)
      const error = yield* endsIn(Effect.flip(ThreadMap.join(map)), 10)
      expect(error._tag).toBe("DeadlineExceeded")
    })
  )
})

describe("a map of many threads", () => {
  const count = 100_000

  it("runs, replaces and clears 100,000 keys", async () => {
    const ended = { replaced: 0, cleared: 0 }
    const body = (of: "replaced" | "cleared") =>
      Effect.ensuring(
        Effect.never,
        Effect.sync(() => ended[of]++)
      )
    const program = Effect.gen(function* () {
      const map = yield* ThreadMap.make<number>()
      for (let key = 0; key < count; key++) yield* ThreadMap.run(map, key, body("replaced"), now)
      for (let key = 0; key < count; key++) yield* ThreadMap.run(map, key, body("cleared"), now)
      yield* Effect.yieldNow
      expect([ended, yield* ThreadMap.size(map)]).toEqual([{ replaced: count, cleared: 0 }, count])
      yield* ThreadMap.clear(map)
      return yield* ThreadMap.size(map)
    })
    expect(await Effect.runPromise(Effect.scoped(program))).toBe(0)
    expect(ended.cleared).toBe(count)
  })

  it("replaces the thread of one key 100,000 times while the first one cleans up", async () => {
    const log: Array<string> = []
    const program = Effect.gen(function* () {
      const map = yield* ThreadMap.make<string>()
      const gate = yield* Deferred.make<void>()
      yield* ThreadMap.run(map, "a", Effect.ensuring(Effect.never, Deferred.await(gate)), now)
      for (let index = 1; index <= count; index++) {
        yield* ThreadMap.run(
          map,
          "a",
          Effect.sync(() => log.push(`body ${index}`)),
          now
        )
      }
      expect([log, yield* ThreadMap.size(map)]).toEqual([[], 1])
      yield* Deferred.succeed(gate, undefined)
      yield* ThreadMap.awaitEmpty(map)
    })
    await Effect.runPromise(Effect.scoped(program))
    expect(log).toEqual([`body ${count}`])
  })

  it("removes 100,000 keys one by one, from the front and from the back", async () => {
    const program = Effect.gen(function* () {
      const map = yield* ThreadMap.make<number>()
      for (let key = 0; key < count; key++) yield* ThreadMap.run(map, key, Effect.never, now)
      const waiter = yield* Effect.forkChild(ThreadMap.awaitEmpty(map), now)
      for (let key = 0; key < count / 2; key++) {
        yield* ThreadMap.remove(map, key)
        yield* ThreadMap.remove(map, count - 1 - key)
      }
      yield* Fiber.join(waiter)
      return yield* ThreadMap.size(map)
    })
    expect(await Effect.runPromise(Effect.scoped(program))).toBe(0)
  })
})
