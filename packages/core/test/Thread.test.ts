import { describe, expect, expectTypeOf, it } from "@effect/vitest"
import { CancelReason, Lease, Thread, ThreadGroup } from "@quiesce/core"
import { Cause, Clock, Deferred, Effect, Exit, Fiber, Latch, Option, pipe, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { defectOf, defectTag, endsIn, hung, messages, settle } from "./support.ts"

const now = { startImmediately: true } as const
const why = CancelReason.interrupted({ message: "why" })

class Nudge extends Schema.TaggedError<Nudge>()("Nudge", {}) {}

const sleepers = (...millis: ReadonlyArray<number>) =>
  Effect.forEach(millis, (each) => Thread.spawn(Effect.as(Effect.sleep(each), each), now))

const printed = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "success"

describe("Thread.spawn", () => {
  it("requires a scope and returns a typed thread", () => {
    expectTypeOf(Thread.spawn(Effect.succeed(1))).toEqualTypeOf<
      Effect.Effect<Thread.Thread<number, never>, never, Scope.Scope>
    >()
    expectTypeOf(Thread.spawn(Effect.fail("no"))).toEqualTypeOf<
      Effect.Effect<Thread.Thread<never, string>, never, Scope.Scope>
    >()
    expect(Thread.isThread({})).toBe(false)
  })

  it.effect("returns a thread with a name, an id of its own and the main thread as its parent outside any thread", () =>
    Effect.gen(function* () {
      const named = yield* Thread.spawn(Effect.void, { name: "reader" })
      const unnamed = yield* Effect.void.pipe(Thread.spawn())
      expect(named.name).toBe("reader")
      expect(unnamed.name).toBe(`thread-${unnamed.id}`)
      expect(unnamed.id).not.toBe(named.id)
      expect(named.parent).toBe(yield* Thread.current)
      expect(Thread.isThread(named)).toBe(true)
    })
  )

  it.effect("runs up to the first wait before spawn returns with startImmediately, otherwise later", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      yield* Thread.spawn(
        Effect.sync(() => log.push("first")),
        now
      )
      const later = yield* Thread.spawn(Effect.sync(() => log.push("second")))
      expect(log).toEqual(["first"])
      yield* Thread.join(later)
      expect(log).toEqual(["first", "second"])
    })
  )

  it.effect("ends the thread with its finalizers before its scope has closed", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const thread = yield* Effect.scoped(
        Effect.tap(
          Thread.spawn(
            Effect.onExit(Effect.never, (exit) => Effect.sync(() => log.push(...messages(exit)))),
            now
          ),
          () => Effect.sync(() => log.push("scope closes"))
        )
      )
      expect(log).toEqual(["scope closes", "Its scope has closed"])
      expect(yield* Thread.isAlive(thread)).toBe(false)
    })
  )

  it.effect("in a closed scope starts nothing, and returns an ended thread with the reason of the scope", () =>
    Effect.gen(function* () {
      let started = false
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.failCause(CancelReason.toCause(why)))
      const thread = yield* Scope.provide(
        Thread.spawn(
          Effect.sync(() => (started = true)),
          now
        ),
        scope
      )
      expect([yield* Thread.isAlive(thread), thread.reason]).toEqual([false, why])
      expect(messages(yield* Thread.await(thread))).toEqual(["why"])
      yield* settle
      expect(started).toBe(false)
    })
  )

  it.effect("refuses an invalid escalation and starts nothing", () =>
    Effect.gen(function* () {
      let started = false
      const work = Effect.sync(() => (started = true))
      expect(yield* defectTag(Thread.spawn(work, { ...now, escalation: {} }))).toBe("InvalidEscalation")
      yield* settle
      expect(started).toBe(false)
    })
  )

  it.effect("in a cancelled thread starts nothing, and returns a thread that has ended for the same reason", () =>
    Effect.gen(function* () {
      let started = false
      let late: Thread.Thread<unknown, unknown> | undefined
      const work = Effect.sync(() => (started = true))
      const parent = yield* Thread.spawn(
        Effect.ensuring(Effect.never, Effect.orDie(Effect.map(Thread.spawn(work, now), (thread) => (late = thread)))),
        now
      )
      yield* Thread.interrupt(parent, { reason: why })
      yield* settle
      expect(started).toBe(false)
      expect(messages(yield* Thread.await(late!))).toEqual(["why"])
      expect(yield* Thread.raise(late!, new Error("late"))).toBe(false)
    })
  )

  it.effect("in a cancelled thread keeps the live children in the parent's list", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const slow = Effect.ensuring(
        Effect.never,
        Effect.andThen(
          Effect.sleep(100),
          Effect.sync(() => log.push("child cleaned up"))
        )
      )
      const parent = yield* Thread.spawn(
        Effect.andThen(Thread.spawn(slow, now), Effect.ensuring(Effect.never, Thread.spawn(Effect.void))),
        now
      )
      yield* endsIn(
        Effect.andThen(
          Thread.interrupt(parent),
          Effect.sync(() => log.push("parent ended"))
        ),
        100
      )
      expect(log).toEqual(["child cleaned up", "parent ended"])
    })
  )

  it.effect("does not pass the parent's mask to the child", () =>
    Effect.gen(function* () {
      const child = yield* Effect.uninterruptible(Thread.spawn(Effect.never, now))
      yield* Thread.interrupt(child, { reason: why })
      expect(messages(yield* Thread.await(child))).toEqual(["why"])
    })
  )

  it.effect("inside a finalizer runs to its end in a scope of the finalizer's own", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const cleanUp = Effect.scoped(
        Effect.flatMap(Thread.spawn(Effect.as(Effect.sleep(10), "uploaded")), (thread) =>
          Effect.map(Thread.join(thread), (value) => log.push(value))
        )
      )
      const thread = yield* Thread.spawn(Effect.ensuring(Effect.never, Effect.orDie(cleanUp)), now)
      yield* endsIn(Thread.interrupt(thread), 10)
      expect(log).toEqual(["uploaded"])
    })
  )

  it.effect("inside a release of the thread's own scope starts nothing", () =>
    Effect.gen(function* () {
      let started = false
      let late: Thread.Thread<unknown, unknown> | undefined
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          const scope = yield* Effect.scope
          const work = Effect.sync(() => (started = true))
          const spawn = Scope.provide(Thread.spawn(work, now), scope)
          yield* Effect.addFinalizer(() => Effect.map(spawn, (spawned) => void (late = spawned)))
        })
      )
      yield* Thread.join(thread)
      expect([started, late?.reason]).toMatchObject([false, { _tag: "ParentEnded", message: "Its scope has closed" }])
    })
  )

  it.effect("inside a release, into an outer scope, makes no child that outlives its parent", () =>
    Effect.gen(function* () {
      const outer = yield* Scope.Scope
      let child: Thread.Thread<never> | undefined
      const spawn = Scope.provide(Thread.spawn(Effect.never, now), outer)
      const parent = yield* Thread.spawn(
        Effect.addFinalizer(() => Effect.orDie(Effect.map(spawn, (thread) => void (child = thread))))
      )
      yield* Thread.join(parent)
      expect(yield* Thread.isAlive(child!)).toBe(false)
    })
  )
})

describe("Thread's scope", () => {
  it.effect("ends body, children and leases in this order, the latest lease first", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const note = (entry: string) => Effect.sync(() => log.push(entry))
      const lease = (name: string) => Lease.acquire({ name, acquire: Effect.void, release: () => note(name) })
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* lease("a")
          yield* Thread.spawn(Effect.ensuring(Effect.never, note("child")), now)
          yield* lease("b")
          yield* Effect.ensuring(Effect.never, note("body"))
        }),
        now
      )
      yield* Thread.interrupt(thread)
      expect(log).toEqual(["body", "child", "b", "a"])
    })
  )

  it.effect(
    "ends all children at once when their parent returns, so that the time is the longest one and not the sum",
    () =>
      Effect.gen(function* () {
        const parent = yield* Thread.spawn(
          Effect.forEach([30, 10, 20], (millis) =>
            Thread.spawn(Effect.ensuring(Effect.never, Effect.sleep(millis)), now)
          )
        )
        yield* endsIn(Thread.join(parent), 30)
        expect(yield* Clock.currentTimeMillis).toBe(30)
      })
  )

  it.effect("ends all threads of any scope at once", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Effect.forEach([30, 10, 20], (millis) =>
        Scope.provide(Thread.spawn(Effect.ensuring(Effect.never, Effect.sleep(millis)), now), scope)
      )
      yield* endsIn(Scope.close(scope, Exit.void), 30)
      expect(yield* Clock.currentTimeMillis).toBe(30)
    })
  )

  it.effect("climbs with all threads of a scope at once, so that their graces pass together", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const released: Array<string> = []
      const stubborn = (name: string, interrupt: number) =>
        Effect.gen(function* () {
          yield* Effect.addFinalizer(() => Effect.sync(() => released.push(name)))
          return yield* Thread.spawn(hung, { ...now, escalation: { stop: 10, interrupt } })
        })
      const spawned = yield* Scope.provide(
        Effect.all([stubborn("first", 20), stubborn("second", 40), stubborn("third", 20)]),
        scope
      )
      const closed = yield* Effect.forkChild(Scope.close(scope, Exit.void), now)
      yield* TestClock.adjust(30)
      // The lease before the third thread waits only for that thread. The other leases also wait for the second thread.
      expect(released).toEqual(["third"])
      yield* TestClock.adjust(20)
      yield* Fiber.join(closed)
      expect(released).toEqual(["third", "second", "first"])
      for (const thread of spawned) expect((yield* Thread.status(thread))._tag).toBe("Abandoned")
    })
  )

  it.effect("climbs at once with the threads of a scope that have different parents, and names each parent", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const children: Array<Thread.Thread<unknown, unknown>> = []
      const parentOf = (name: string) => {
        const child = Scope.provide(Thread.spawn(hung, { ...now, escalation: { interrupt: 20 } }), scope)
        const body = Effect.andThen(
          Effect.map(child, (thread) => children.push(thread)),
          Effect.never
        )
        return Thread.spawn(body, { ...now, name })
      }
      const parents = yield* Effect.all(["one", "two", "three"].map(parentOf))
      yield* endsIn(Scope.close(scope, Exit.void), 20)
      expect(children.map(({ reason }) => reason)).toMatchObject(
        ["one", "two", "three"].map((parent) => ({ _tag: "ParentEnded", parent }))
      )
      yield* Thread.interruptAll(parents)
    })
  )

  it.effect("has one reason for the whole tree, in finalizers, signals and children", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const level = (depth: number): Effect.Effect<never, never, Scope.Scope> =>
        Effect.gen(function* () {
          const self = yield* Thread.current
          yield* Effect.addFinalizer((exit) =>
            Effect.sync(() => seen.push(`release ${depth} ${messages(exit).join()}`))
          )
          if (depth < 3) yield* Thread.spawn(level(depth + 1), now)
          return yield* Effect.onExit(Effect.never, (exit) =>
            Effect.sync(() => seen.push(`body ${depth} ${messages(exit).join()} ${self.signal.reason.message}`))
          )
        })
      const thread = yield* Thread.spawn(level(1), now)
      yield* Thread.interrupt(thread, { reason: why })
      expect(seen).toEqual([
        "body 1 why why",
        "body 2 why why",
        "body 3 why why",
        "release 3 why",
        "release 2 why",
        "release 1 why"
      ])
    })
  )

  it.effect("can be closed from inside a thread of the scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const thread = yield* Scope.provide(
        Thread.spawn(Effect.andThen(Scope.close(scope, Exit.void), Effect.never), now),
        scope
      )
      const exit = yield* Thread.await(thread)
      expect(messages(exit)).toEqual(["Its scope has closed"])
    })
  )

  it.effect("can be closed from inside a child of a thread of the scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const thread = yield* Scope.provide(
        Thread.spawn(Effect.andThen(Thread.spawn(Scope.close(scope, Exit.void), now), Effect.never), now),
        scope
      )
      expect(Exit.isFailure(yield* Thread.await(thread))).toBe(true)
    })
  )

  it.effect("abandons a thread after the thread's own escalation, and closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const thread = yield* Scope.provide(
        Thread.spawn(hung, { ...now, escalation: { stop: 10, interrupt: 20 } }),
        scope
      )
      yield* endsIn(Scope.close(scope, Exit.void), 30)
      expect((yield* Thread.status(thread))._tag).toBe("Abandoned")
    })
  )
})

describe("Thread.stop", () => {
  it.effect("aborts stopSignal with the reason, does not abort signal, and lets the thread return a value", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.as(Thread.awaitStop, "drained"), now)
      yield* Thread.stop(thread, { reason: CancelReason.stopped({ message: "enough" }) })
      expect(thread.stopSignal.reason.message).toBe("enough")
      expect(thread.signal.aborted).toBe(false)
      expect(yield* Thread.join(thread)).toBe("drained")
    })
  )

  it.effect("cascades to the children, and to later children", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const child = (name: string) =>
        Thread.spawn(
          Effect.map(Thread.awaitStop, (reason) => seen.push(`${name} ${reason.message}`)),
          { ...now, name }
        )
      const parent = yield* Thread.spawn(
        Effect.gen(function* () {
          const early = yield* child("early")
          yield* Thread.awaitStop
          const late = yield* child("late")
          yield* Thread.joinAll([early, late])
        }),
        now
      )
      yield* Thread.stop(parent, { reason: CancelReason.stopped({ message: "enough" }) })
      yield* Thread.join(parent)
      expect(seen.toSorted()).toEqual(["early enough", "late enough"])
    })
  )

  it.effect("of a child stops neither its parent nor its siblings", () =>
    Effect.gen(function* () {
      const [first, second] = yield* Effect.all([Thread.spawn(Effect.never, now), Thread.spawn(Effect.never, now)])
      yield* Thread.stop(first)
      expect((yield* Thread.status(first))._tag).toBe("Stopping")
      expect((yield* Thread.status(second))._tag).toBe("Running")
    })
  )

  it.effect("of an ended thread does nothing", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.succeed(1))
      yield* Thread.join(thread)
      yield* Thread.stop(thread)
      expect(thread.stopSignal.aborted).toBe(false)
      expect(yield* Thread.status(thread)).toEqual({ _tag: "Done", exit: Exit.succeed(1) })
    })
  )

  it.effect("stamps the reason with the asking thread and the time", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(7)
      const thread = yield* Thread.spawn(Effect.never, now)
      yield* Thread.join(yield* Thread.spawn(Thread.stop(thread), { name: "boss" }))
      expect(thread.reason).toMatchObject({ _tag: "Stopped", by: "boss", at: 7 })
    })
  )
})

describe("Thread.interrupt", () => {
  it.effect("returns after the last finalizer", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const thread = yield* Thread.spawn(
        Effect.ensuring(
          Effect.never,
          Effect.andThen(
            Effect.sleep(50),
            Effect.sync(() => log.push("released"))
          )
        ),
        now
      )
      yield* endsIn(
        Effect.andThen(
          Thread.interrupt(thread),
          Effect.sync(() => log.push("returned"))
        ),
        50
      )
      expect(log).toEqual(["released", "returned"])
    })
  )

  it.effect("passes the reason to the signal as an Error named AbortError, and to the Cause", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.never, now)
      yield* Thread.interrupt(thread, { reason: why })
      expect(thread.signal.reason).toBeInstanceOf(Error)
      expect(thread.signal.reason.name).toBe("AbortError")
      expect(thread.signal.reason.reason).toMatchObject({ _tag: "Interrupted", message: "why", by: "main", at: 0 })
      expect(thread.stopSignal.reason).toBe(thread.signal.reason)
      const exit = yield* Thread.await(thread)
      expect(CancelReason.fromExit(exit).pipe(Option.getOrThrow)).toBe(thread.reason)
    })
  )

  it.effect("prints the reason and the asking thread with the Cause, of a child, too", () =>
    Effect.gen(function* () {
      let child: Thread.Thread<never> | undefined
      const body = Effect.andThen(
        Effect.tap(Thread.spawn(Effect.never, { name: "child" }), (spawned) => Effect.sync(() => (child = spawned))),
        Effect.never
      )
      const thread = yield* Thread.spawn(body, now)
      yield* Effect.yieldNow
      const asking = yield* Thread.spawn(Thread.interrupt(thread, { reason: why }), { name: "boss" })
      yield* Thread.join(asking)
      const exits = [yield* Thread.await(thread), yield* Thread.await(child!), yield* Effect.exit(Thread.join(thread))]
      for (const exit of exits) expect(printed(exit)).toContain('at Interrupted "why", asked by "boss"')
    })
  )

  it.effect("keeps the first reason, and adds later ones only to the Cause", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.ensuring(Effect.never, Effect.sleep(10)), now)
      yield* Thread.stop(thread, { reason: CancelReason.stopped({ message: "first" }) })
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "second" }) })
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "third" }) })
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "second" }) })
      expect(thread.reason?.message).toBe("first")
      expect(thread.signal.reason.message).toBe("first")
      const exit = yield* endsIn(Thread.await(thread), 10)
      expect(messages(exit)[0]).toBe("first")
      expect(new Set(messages(exit)).size).toBe(messages(exit).length)
    })
  )

  it.effect("lets all concurrent interruptors wait and see the same exit", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.ensuring(Effect.never, Effect.sleep(50)), now)
      const ended: Array<number> = []
      const one = (name: string) =>
        Effect.gen(function* () {
          yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: name }) })
          ended.push(yield* Clock.currentTimeMillis)
          return yield* Thread.await(thread)
        })
      const exits = yield* endsIn(Effect.all(["a", "b", "c"].map(one), { concurrency: "unbounded" }), 50)
      expect(ended).toEqual([50, 50, 50])
      expect(exits[1]).toBe(exits[0])
      expect(exits[2]).toBe(exits[0])
    })
  )

  it.effect("neither aborts nor restarts finalizers that run", () =>
    Effect.gen(function* () {
      yield* settle
      const log: Array<string> = []
      const release = Effect.andThen(
        Effect.sync(() => log.push("begin")),
        Effect.andThen(
          Effect.sleep(10),
          Effect.sync(() => log.push("end"))
        )
      )
      const thread = yield* Thread.spawn(Effect.ensuring(Effect.never, release), now)
      yield* Thread.interruptFork(thread)
      yield* Thread.interruptFork(thread, { reason: why })
      yield* endsIn(Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "again" }) }), 10)
      expect(log).toEqual(["begin", "end"])
    })
  )

  it.effect("before the body began ends the thread without the body", () =>
    Effect.gen(function* () {
      let ran = false
      const thread = yield* Thread.spawn(Effect.sync(() => (ran = true)))
      yield* Thread.interrupt(thread, { reason: why })
      expect(ran).toBe(false)
      expect(messages(yield* Thread.await(thread))).toEqual(["why"])
      expect(yield* Thread.isAlive(thread)).toBe(false)
    })
  )

  it.effect("under a mask is delayed and not lost", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const thread = yield* Thread.spawn(
        Effect.andThen(
          Effect.uninterruptible(
            Effect.andThen(
              Effect.sleep(10),
              Effect.sync(() => log.push("masked"))
            )
          ),
          Effect.sync(() => log.push("unmasked"))
        ),
        now
      )
      yield* endsIn(Thread.interrupt(thread), 10)
      expect(log).toEqual(["masked"])
    })
  )

  it.effect("of a finished thread returns and does not change its exit", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.succeed(1))
      yield* Thread.join(thread)
      yield* Thread.interrupt(thread)
      expect(yield* Thread.await(thread)).toEqual(Exit.succeed(1))
      expect(thread.reason).toBeUndefined()
      expect(thread.signal.aborted).toBe(false)
    })
  )

  it.effect("of itself does not wait for itself, and ends at the next checkpoint", () =>
    Effect.gen(function* () {
      let after = false
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* Thread.interrupt(yield* Thread.current, { reason: why })
          yield* Thread.checkpoint
          after = true
        })
      )
      expect(messages(yield* Thread.await(thread))).toEqual(["why"])
      expect(after).toBe(false)
    })
  )

  it.effect("of an ancestor does not wait, and ends the whole branch", () =>
    Effect.gen(function* () {
      const returned = yield* Deferred.make<void>()
      const grandparent = yield* Thread.spawn(
        Effect.gen(function* () {
          const top = yield* Thread.current
          const askTop = Effect.andThen(
            Effect.uninterruptible(
              Effect.andThen(Thread.interrupt(top, { reason: why }), Deferred.succeed(returned, undefined))
            ),
            Effect.never
          )
          yield* Thread.spawn(Effect.andThen(Thread.spawn(askTop), Effect.never))
          yield* Effect.never
        })
      )
      yield* Deferred.await(returned)
      expect(messages(yield* Thread.await(grandparent))).toEqual(["why"])
    })
  )

  it.effect("of a child cancels neither its parent nor its siblings", () =>
    Effect.gen(function* () {
      const [first, second] = yield* Effect.all([Thread.spawn(Effect.never, now), Thread.spawn(Effect.never, now)])
      yield* Thread.interrupt(first)
      expect(yield* Thread.isAlive(second)).toBe(true)
      expect(second.signal.aborted).toBe(false)
    })
  )

  it.effect("only stops waiting when its caller is interrupted, and the thread stays interrupted", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.ensuring(Effect.never, Effect.sleep(100)), now)
      const result = yield* endsIn(Effect.timeoutOption(Thread.interrupt(thread), 10), 10)
      expect(Option.isNone(result)).toBe(true)
      expect((yield* Thread.status(thread))._tag).toBe("Cancelled")
      yield* endsIn(Thread.await(thread), 90)
      expect(yield* Thread.isAlive(thread)).toBe(false)
    })
  )

  it.effect("accepts only a reason, and otherwise does not affect the thread", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.never, now)
      const strange = [null, "reason", 1, {}, { _tag: "Interrupted" }, new Error("no"), Object.create(null)]
      for (const reason of strange) {
        // A caller without types could pass such a value.
        const given = reason as CancelReason.CancelReason
        expect(yield* defectTag(Thread.stop(thread, { reason: given }))).toBe("InvalidReason")
        expect(yield* defectTag(Thread.interrupt(thread, { reason: given }))).toBe("InvalidReason")
        expect(yield* defectTag(Thread.interruptFork(thread, { reason: given }))).toBe("InvalidReason")
      }
      const shutdown = Thread.shutdown(thread, { reason: "no" as unknown as CancelReason.CancelReason })
      expect(yield* defectTag(shutdown)).toBe("InvalidReason")
      expect((yield* Thread.status(thread))._tag).toBe("Running")
    })
  )
})

/** Never ends by itself, and has a finalizer that takes some time. */
const slowToEnd = (millis: number) => Effect.ensuring(Effect.never, Effect.sleep(millis))

describe("Thread.stopAll and Thread.interruptAll", () => {
  it.effect("cancel all threads at once with one reason, and interruptAll waits for the last finalizer", () =>
    Effect.gen(function* () {
      const threads = [yield* Thread.spawn(slowToEnd(30), now), yield* Thread.spawn(slowToEnd(20), now)]
      yield* Thread.stopAll(threads, { reason: CancelReason.stopped({ message: "enough" }) })
      expect(threads.map((thread) => thread.reason?.message)).toEqual(["enough", "enough"])
      yield* endsIn(pipe(threads, Thread.interruptAll({ reason: why })), 30)
      const exits = yield* Effect.forEach(threads, Thread.await)
      expect(exits.map(messages)).toEqual([
        ["enough", "why"],
        ["enough", "why"]
      ])
    })
  )

  it.effect("do not change ended threads, and an interrupt of several threads does not wait for its own thread", () =>
    Effect.gen(function* () {
      const ended = yield* Thread.spawn(Effect.void, now)
      const other = yield* Thread.spawn(Effect.never, now)
      const self = yield* Thread.spawn(
        Effect.flatMap(Thread.current, (current) => Thread.interruptAll([ended, other, current], { reason: why })),
        now
      )
      expect(messages(yield* Thread.await(self))).toEqual(["why"])
      expect(messages(yield* Thread.await(other))).toEqual(["why"])
      expect(Exit.isSuccess(yield* Thread.await(ended))).toBe(true)
    })
  )
})

describe("the functions that end a thread", () => {
  it.effect("can be piped, with and without options", () =>
    Effect.gen(function* () {
      const [a, b, c, d] = yield* Effect.forEach([1, 2, 3, 4], () => Thread.spawn(Effect.never, now))
      yield* a!.pipe(Thread.stop())
      yield* b!.pipe(Thread.interruptFork({ reason: why }))
      yield* c!.pipe(Thread.interrupt())
      const report = yield* d!.pipe(Thread.shutdown({ escalation: { interrupt: "1 second" }, reason: why }))
      expect([a, b, c].map((thread) => thread?.reason?._tag)).toEqual(["Stopped", "Interrupted", "Interrupted"])
      expect([report.rung, report.reason.message]).toEqual(["interrupt", "why"])
    })
  )
})

describe("Thread, cleaning up", () => {
  it.effect("ends the fibers that the body forked before it releases resources that they may use", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* Lease.acquire({
            name: "file",
            acquire: Effect.void,
            release: () => Effect.sync(() => log.push("release"))
          })
          yield* Effect.forkChild(
            Effect.onExit(Effect.never, () => Effect.sync(() => log.push("child"))),
            now
          )
          return yield* Effect.never
        }),
        now
      )
      yield* Thread.interrupt(thread, { reason: why })
      expect(log).toEqual(["child", "release"])
    })
  )

  it.effect("ends the unmasked part of a release of a cancelled thread", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const thread = yield* Thread.spawn(
        Effect.andThen(
          Lease.acquire({
            name: "file",
            acquire: Effect.void,
            release: () =>
              Effect.onExit(Effect.exit(Effect.interruptible(Effect.never)), (exit) =>
                Effect.sync(() => log.push(Exit.isSuccess(exit) ? messages(exit.value).join() : "not reached"))
              )
          }),
          Effect.never
        ),
        now
      )
      yield* Thread.interrupt(thread, { reason: why })
      expect(log).toEqual(["why"])
    })
  )

  it.effect("keeps the first reason before a later one, when both come in a release", () =>
    Effect.gen(function* () {
      const released = yield* Latch.make()
      const thread = yield* Thread.spawn(
        Lease.acquire({ name: "file", acquire: Effect.void, release: () => released.await }),
        now
      )
      yield* Thread.interruptFork(thread, { reason: why })
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "later" }) })
      yield* released.open
      const exit = yield* Thread.await(thread)
      expect(messages(exit)).toEqual(["why", "later"])
    })
  )

  it.effect("has one Cause for all threads of one request", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      const first = yield* ThreadGroup.spawn(group, Effect.never)
      const second = yield* ThreadGroup.spawn(group, Effect.never)
      yield* Effect.yieldNow
      yield* ThreadGroup.shutdown(group, { escalation: { interrupt: "1 second" } })
      const [a, b] = [yield* Thread.await(first), yield* Thread.await(second)]
      expect(Exit.isFailure(a) && Exit.isFailure(b) && a.cause.reasons[0] === b.cause.reasons[0]).toBe(true)
    })
  )
})

describe("Thread.interruptFork", () => {
  it.effect("returns before the finalizers have run", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(Effect.ensuring(Effect.never, gate.await), now)
      yield* Thread.interruptFork(thread, { reason: why })
      expect((yield* Thread.status(thread))._tag).toBe("Cancelled")
      yield* gate.open
      expect(messages(yield* Thread.await(thread))).toEqual(["why"])
    })
  )
})

describe("Thread.join", () => {
  it.effect("returns the value, or fails as the thread failed", () =>
    Effect.gen(function* () {
      expect(yield* Thread.join(yield* Thread.spawn(Effect.succeed(1)))).toBe(1)
      expect(yield* Effect.flip(Thread.join(yield* Thread.spawn(Effect.fail("no"))))).toBe("no")
      const died = yield* Effect.exit(Thread.join(yield* Thread.spawn(Effect.die("bad"))))
      expect(died).toEqual(Exit.die("bad"))
    })
  )

  it.effect("of an interrupted thread is an interruption with the thread's reason", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.never, now)
      yield* Thread.interrupt(thread, { reason: why })
      const exit = yield* Effect.exit(Thread.join(thread))
      expect(Exit.hasInterrupts(exit)).toBe(true)
      expect(messages(exit)).toEqual(["why"])
    })
  )

  it.effect("never changes the thread, even when the waiting is interrupted", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.as(Effect.sleep(100), "done"), now)
      yield* endsIn(Effect.timeoutOption(Thread.join(thread), 10), 10)
      const waiting = yield* Effect.forkChild(Thread.join(thread), now)
      yield* Fiber.interrupt(waiting)
      expect((yield* Thread.status(thread))._tag).toBe("Running")
      expect(yield* endsIn(Thread.join(thread), 90)).toBe("done")
    })
  )

  it.effect("has the same exit for all joins, also after the end", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.andThen(Effect.sleep(10), Effect.fail("no")), now)
      const two = Effect.all([Thread.await(thread), Thread.await(thread)], { concurrency: 2 })
      const [first, second] = yield* endsIn(two, 10)
      expect(second).toBe(first)
      expect(yield* Thread.await(thread)).toBe(first)
    })
  )

  it.effect("of the current thread fails with SelfJoin, and the thread continues", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          const self = yield* Thread.current
          const tags = yield* Effect.all([
            defectTag(Thread.join(self)),
            defectTag(Thread.await(self)),
            defectTag(Thread.joinWithin(self, 10)),
            defectTag(Thread.joinAll([self])),
            defectTag(Thread.shutdown(self))
          ])
          return { tags, status: (yield* Thread.status(self))._tag }
        })
      )
      const { tags, status } = yield* Effect.orDie(Thread.join(thread))
      expect(new Set(tags)).toEqual(new Set(["SelfJoin"]))
      expect(status).toBe("Running")
    })
  )

  it.effect("of an ancestor ends when the ancestor ends the joining thread", () =>
    Effect.gen(function* () {
      let child: Thread.Thread<unknown, unknown> | undefined
      const parent = yield* Thread.spawn(
        Effect.gen(function* () {
          const self = yield* Thread.current
          child = yield* Thread.spawn(Thread.join(self), now)
          return "parent"
        })
      )
      expect(yield* Thread.join(parent)).toBe("parent")
      expect(yield* Thread.isAlive(child!)).toBe(false)
    })
  )
})

describe("Thread.joinWithin", () => {
  it.effect("returns none after its time, to the millisecond, and the thread continues", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.as(Effect.sleep(100), "done"), now)
      expect(yield* endsIn(Thread.joinWithin(thread, 99), 99)).toEqual(Option.none())
      expect(yield* Thread.isAlive(thread)).toBe(true)
      expect(yield* endsIn(thread.pipe(Thread.joinWithin(10)), 1)).toEqual(Option.some("done"))
    })
  )

  it.effect("with a time of zero returns the value of an ended thread", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.succeed(1))
      yield* Thread.join(thread)
      expect(yield* Thread.joinWithin(thread, 0)).toEqual(Option.some(1))
    })
  )

  it.effect("fails as the thread failed", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.fail("no"))
      expect(yield* Effect.flip(Thread.joinWithin(thread, 10))).toBe("no")
    })
  )

  it.effect("refuses invalid times by name, and does not affect the thread", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.never, now)
      for (const [given, shown] of [
        [-1, "-1"],
        [NaN, "NaN"],
        [Infinity, "Infinity"],
        [-Infinity, "-Infinity"],
        ["Infinity", "Infinity"],
        ["-5 seconds", "-5 seconds"],
        [-5n, "-5"],
        ["soon", "soon"]
      ] as const) {
        const error = yield* defectOf(Thread.joinWithin(thread, given as number))
        expect(error.reason._tag).toBe("InvalidDuration")
        expect(error.message).toContain(shown)
        expect(yield* defectTag(Thread.joinAll([thread], { each: given as number }))).toBe("InvalidDuration")
        expect(yield* defectTag(Thread.joinAll([thread], { within: given as number }))).toBe("InvalidDuration")
      }
      expect((yield* Thread.status(thread))._tag).toBe("Running")
    })
  )
})

describe("Thread.joinAll", () => {
  it.effect("joins threads of different types, and keeps a tuple, a record and an array", () =>
    Effect.gen(function* () {
      const number = yield* Thread.spawn(Effect.succeed(1))
      const text = yield* Thread.spawn(Effect.succeed("a"))
      const tuple: readonly [number, string] = yield* Thread.joinAll([number, text])
      const record = yield* Thread.joinAll({ number, text }, { within: "1 second" })
      const array: ReadonlyArray<number> = yield* Thread.joinAll(new Set([number]))
      expect(tuple).toEqual([1, "a"])
      expect(record).toEqual({ number: Option.some(1), text: Option.some("a") })
      expect(array).toEqual([1])
    })
  )

  it.effect("without a limit waits for all", () =>
    Effect.gen(function* () {
      const threads = yield* sleepers(30, 10, 20)
      expect(yield* endsIn(Thread.joinAll(threads), 30)).toEqual([30, 10, 20])
    })
  )

  it.effect("with each grants every thread its own time, one after another", () =>
    Effect.gen(function* () {
      const threads = yield* sleepers(100, 15, 100)
      const joined = Thread.joinAll(threads, { each: 10 })
      expect(yield* endsIn(joined, 25)).toEqual([Option.none(), Option.some(15), Option.none()])
    })
  )

  it.effect("with within shares one budget, and still sees each thread that has ended by then", () =>
    Effect.gen(function* () {
      const threads = yield* sleepers(100, 5, 100, 10)
      const joined = Thread.joinAll(threads, { within: 10 })
      expect((yield* endsIn(joined, 10)).slice(0, 3)).toEqual([Option.none(), Option.some(5), Option.none()])
      expect(yield* Thread.isAlive(threads[0]!)).toBe(true)
    })
  )

  it.effect("of no threads returns an empty result", () =>
    Effect.gen(function* () {
      expect(yield* Thread.joinAll([])).toEqual([])
      expect(yield* Thread.joinAll([], { within: 10 })).toEqual([])
      expect(yield* defectTag(Thread.joinAll([], { each: -1 }))).toBe("InvalidDuration")
    })
  )
})

describe("Thread.status", () => {
  it.effect("goes from Running over Stopping and Cancelled to Done", () =>
    Effect.gen(function* () {
      yield* settle
      const seen: Array<string> = []
      const thread = yield* Thread.spawn(Effect.ensuring(Effect.never, Effect.sleep(10)), now)
      const look = Effect.map(Thread.status(thread), (status) => seen.push(status._tag))
      yield* look
      yield* Thread.stop(thread, { reason: why })
      yield* look
      yield* Thread.interruptFork(thread)
      yield* look
      expect(yield* Thread.status(thread)).toMatchObject({ rung: "interrupt", reason: { message: "why" } })
      expect(yield* Thread.isAlive(thread)).toBe(true)
      yield* TestClock.adjust(10)
      yield* look
      expect(seen).toEqual(["Running", "Stopping", "Cancelled", "Done"])
      expect(yield* Thread.isAlive(thread)).toBe(false)
    })
  )
})

describe("Thread, inside", () => {
  it.effect("current is the thread, with its parent", () =>
    Effect.gen(function* () {
      const parent = yield* Thread.spawn(
        Effect.flatMap(Thread.spawn(Thread.current), (child) => Effect.map(Thread.join(child), (seen) => [child, seen]))
      )
      const [child, seen] = yield* Thread.join(parent)
      expect(seen).toBe(child)
      expect(seen!.parent).toBe(parent)
    })
  )

  it.effect("stopRequested, awaitStop and untilStopped see a stop", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          const before = yield* Thread.stopRequested
          const given = yield* Thread.untilStopped(Effect.never)
          const reason = yield* Thread.awaitStop
          return [before, given, reason.message, yield* Thread.stopRequested]
        }),
        now
      )
      yield* Thread.stop(thread, { reason: CancelReason.stopped({ message: "enough" }) })
      expect(yield* Thread.join(thread)).toEqual([false, Option.none(), "enough", true])
    })
  )

  it.effect(
    "untilStopped runs the finalizers of the stopped work, with the reason, and has the value or failure of the work",
    () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const thread = yield* Thread.spawn(
          Effect.gen(function* () {
            seen.push(Option.getOrThrow(yield* Thread.untilStopped(Effect.succeed("value"))))
            seen.push(yield* Effect.flip(Thread.untilStopped(Effect.fail("failed"))))
            yield* Thread.untilStopped(
              Effect.onExit(Effect.never, (exit) => Effect.sync(() => seen.push(messages(exit).join())))
            )
          }),
          now
        )
        yield* Thread.stop(thread, { reason: CancelReason.stopped({ message: "enough" }) })
        yield* Thread.join(thread)
        expect(seen).toEqual(["value", "failed", "enough"])
      })
  )

  it.effect("untilStopped runs nothing after an earlier request to stop", () =>
    Effect.gen(function* () {
      let ran = false
      const thread = yield* Thread.spawn(
        Effect.andThen(Thread.awaitStop, Thread.untilStopped(Effect.sync(() => (ran = true)))),
        now
      )
      yield* Thread.stop(thread)
      expect(yield* Thread.join(thread)).toEqual(Option.none())
      expect(ran).toBe(false)
    })
  )

  it.effect("untilStopped does not turn an interrupt into a stop", () =>
    Effect.gen(function* () {
      let after = false
      const thread = yield* Thread.spawn(
        Effect.andThen(
          Thread.untilStopped(Effect.never),
          Effect.sync(() => (after = true))
        ),
        now
      )
      yield* Thread.interrupt(thread, { reason: why })
      expect(after).toBe(false)
      expect(messages(yield* Thread.await(thread))).toEqual(["why"])
    })
  )

  it.effect("untilStopped does not lose the failure of a finalizer", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Thread.untilStopped(Effect.ensuring(Effect.never, Effect.die("bad"))), now)
      yield* Thread.stop(thread)
      expect(yield* Thread.await(thread)).toEqual(Exit.die("bad"))
    })
  )

  it.effect("checkpoint ends an interrupted loop", () =>
    Effect.gen(function* () {
      let rounds = 0
      const thread = yield* Thread.spawn(
        Effect.forever(
          Effect.andThen(
            Effect.sync(() => rounds++),
            Thread.checkpoint
          )
        ),
        now
      )
      yield* Effect.yieldNow
      yield* Thread.interrupt(thread)
      const atEnd = rounds
      yield* settle
      expect(rounds).toBe(atEnd)
      expect(rounds).toBeGreaterThan(0)
    })
  )

  it.effect("current, stopRequested and the others work outside any spawned thread, on the main thread", () =>
    Effect.gen(function* () {
      const main = yield* Thread.current
      expect([main.name, main.parent, yield* Thread.isMain, yield* Thread.isAlive(main)]).toEqual([
        "main",
        undefined,
        true,
        true
      ])
      expect(yield* Thread.stopRequested).toBe(false)
      yield* Thread.checkpoint
      expect(yield* Thread.untilStopped(Effect.succeed(1))).toEqual(Option.some(1))
      expect(yield* Thread.receive(Effect.succeed(2), Nudge)).toBe(2)
      expect(Option.isNone(yield* endsIn(Effect.timeoutOption(Thread.awaitStop, 10), 10))).toBe(true)
      const child = yield* Thread.spawn(Thread.isMain)
      expect([child.parent, yield* Thread.join(child)]).toEqual([main, false])
    })
  )

  it.effect("a request to end or to join the main thread is refused, with an alternative", () =>
    Effect.gen(function* () {
      const main = yield* Thread.current
      const asked: Readonly<Record<string, Effect.Effect<unknown>>> = {
        "Thread.stop": Thread.stop(main),
        "Thread.interrupt": Thread.interrupt(main),
        "Thread.interruptFork": Thread.interruptFork(main),
        "Thread.shutdown": Thread.shutdown(main),
        "Thread.raise": Thread.raise(main, new Nudge()),
        "A join": Effect.asVoid(Effect.orDie(Thread.join(main)))
      }
      for (const [operation, effect] of Object.entries(asked)) {
        const error = yield* defectOf(effect)
        expect(error.reason).toEqual({ _tag: "MainThread", operation })
        expect(error.message).toContain("Spawn the program with Thread.spawn")
      }
    })
  )
})
