import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Lease, Thread, ThreadDump, ThreadGroup } from "@quiesce/core"
import { Cause, Clock, Data, Effect, Exit, Logger, Scope } from "effect"
import { endsIn, defectTag, hung, messages, settle } from "./support.ts"

class Lost extends Data.TaggedError("Lost")<{}> {}

const now = { startImmediately: true } as const

const cleansUp = (millis: number) => Effect.ensuring(Effect.never, Effect.sleep(millis))
const failsAfter = (millis: number, error: string) => Effect.andThen(Effect.sleep(millis), Effect.fail(error))

describe("ThreadGroup.spawn", () => {
  it.effect("starts the effect that is piped into it, with and without options", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make<Lost>()
      const plain = yield* Effect.never.pipe(ThreadGroup.spawn(group))
      const named = yield* Effect.never.pipe(ThreadGroup.spawn(group, { ...now, name: "named" }))
      expect([plain.name, named.name]).toEqual([`thread-${plain.id}`, "named"])
      expect(group.size).toBe(2)
    })
  )

  it.effect("starts an effect that is an error, although an error has a name like the options", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make<Lost>()
      const thread = yield* ThreadGroup.spawn(group, new Lost())
      expect(yield* Effect.flip(Thread.join(thread))).toBeInstanceOf(Lost)
    })
  )

  it.effect("counts the live threads", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      expect([group.policy, group.size]).toEqual(["failFast", 0])
      const first = yield* ThreadGroup.spawn(group, Effect.never, now)
      yield* ThreadGroup.spawn(group, Effect.never, now)
      expect(group.size).toBe(2)
      yield* Thread.interrupt(first)
      expect(group.size).toBe(1)
    })
  )

  it.effect("after the group's scope has closed starts nothing, and returns an ended thread", () =>
    Effect.gen(function* () {
      let ran = false
      const group = yield* Effect.scoped(ThreadGroup.make())
      const late = yield* ThreadGroup.spawn(
        group,
        Effect.sync(() => (ran = true)),
        now
      )
      expect([yield* Thread.isAlive(late), late.reason?._tag, group.size]).toEqual([false, "ParentEnded", 0])
      yield* settle
      expect(ran).toBe(false)
    })
  )

  it.effect("in the group of a cancelled thread starts nothing", () =>
    Effect.gen(function* () {
      let ran = false
      let late: Thread.Thread<unknown> | undefined
      const parent = yield* Thread.spawn(
        Effect.gen(function* () {
          const group = yield* ThreadGroup.make()
          const spawn = ThreadGroup.spawn(
            group,
            Effect.sync(() => (ran = true)),
            now
          )
          yield* Effect.ensuring(Effect.never, Effect.orDie(Effect.map(spawn, (thread) => (late = thread))))
        }),
        now
      )
      yield* Thread.interrupt(parent, { reason: CancelReason.interrupted({ message: "why" }) })
      expect(ran).toBe(false)
      expect(messages(yield* Thread.await(late!))).toEqual(["why"])
    })
  )

  it.effect("from another thread makes a child of the group's own thread", () =>
    Effect.gen(function* () {
      const owner = yield* Thread.spawn(
        Effect.gen(function* () {
          const group = yield* ThreadGroup.make()
          const other = yield* Thread.spawn(ThreadGroup.spawn(group, Effect.never, now))
          return (yield* Thread.join(other)).parent
        })
      )
      expect(yield* Thread.join(owner)).toBe(owner)
    })
  )

  it.effect("after the end of the group's thread still makes a thread, which the dump shows", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.Scope
      const maker = yield* Thread.spawn(Scope.provide(ThreadGroup.make(), scope))
      const group = yield* Thread.join(maker)
      const thread = yield* ThreadGroup.spawn(group, Effect.never, now)
      const { threads } = yield* ThreadDump.make
      expect(threads.map((found) => found.id)).toContain(thread.id)
      expect(yield* Thread.isAlive(thread)).toBe(true)
    })
  )
})

describe("ThreadGroup, its scope", () => {
  it.effect("ends all threads at once when the scope closes, each by its own escalation", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const group = yield* Scope.provide(ThreadGroup.make(), scope)
      const slow = yield* ThreadGroup.spawn(group, cleansUp(30), now)
      yield* ThreadGroup.spawn(group, cleansUp(20), now)
      const stuck = yield* ThreadGroup.spawn(group, hung, { ...now, escalation: { interrupt: 10 } })
      yield* endsIn(Scope.close(scope, Exit.void), 30)
      expect(yield* Clock.currentTimeMillis).toBe(30)
      expect((yield* Thread.status(stuck))._tag).toBe("Abandoned")
      expect(messages(yield* Thread.await(slow))[0]).toBe("Its scope has closed")
      expect(group.size).toBe(0)
    })
  )

  it.effect("can be closed from inside a thread of the group", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const group = yield* Scope.provide(ThreadGroup.make(), scope)
      const sibling = yield* ThreadGroup.spawn(group, Effect.never, now)
      const closer = yield* ThreadGroup.spawn(group, Effect.andThen(Scope.close(scope, Exit.void), Effect.never), now)
      yield* settle
      expect(yield* Thread.isAlive(closer)).toBe(false)
      expect(yield* Thread.isAlive(sibling)).toBe(false)
    })
  )
})

describe("a thread and a group", () => {
  it.effect("are printed with their policy and size only", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      const thread = yield* ThreadGroup.spawn(group, Effect.never, { ...now, name: "a" })
      expect(JSON.parse(JSON.stringify({ group, thread }))).toEqual({
        group: { _id: "ThreadGroup", policy: "failFast", size: 1 },
        thread: { _id: "Thread", id: expect.any(Number), name: "a", state: "Running" }
      })
    })
  )
})

describe("ThreadGroup, failFast", () => {
  it.effect("interrupts the siblings of the first failed member, and shows the original error only", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make<string>()
      const sibling = yield* ThreadGroup.spawn(group, cleansUp(5), now)
      yield* ThreadGroup.spawn(group, failsAfter(10, "first"), { ...now, name: "failing" })
      yield* ThreadGroup.spawn(group, Effect.ensuring(Effect.never, Effect.die("in a finalizer")), now)
      const exit = yield* endsIn(Effect.exit(ThreadGroup.joinAll(group)), 15)
      expect(exit).toEqual(Exit.fail("first"))
      expect(messages(yield* Thread.await(sibling))).toEqual(['Sibling "failing" has failed'])
      expect(sibling.reason).toMatchObject({ _tag: "SiblingFailed", sibling: "failing" })
    })
  )

  it.effect("does not affect the group's own thread", () =>
    Effect.gen(function* () {
      const owner = yield* Thread.spawn(
        Effect.gen(function* () {
          const group = yield* ThreadGroup.make<string>()
          yield* ThreadGroup.spawn(group, Effect.fail("no"))
          return yield* Effect.flip(ThreadGroup.joinAll(group))
        })
      )
      expect(yield* Thread.join(owner)).toBe("no")
      expect(owner.signal.aborted).toBe(false)
    })
  )

  it.effect("does not count an interruption as a failure", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      const interrupted = yield* ThreadGroup.spawn(group, Effect.never, now)
      const other = yield* ThreadGroup.spawn(group, Effect.as(Effect.sleep(10), "done"), now)
      yield* Thread.interrupt(interrupted)
      yield* endsIn(ThreadGroup.joinAll(group), 10)
      expect(yield* Thread.join(other)).toBe("done")
    })
  )

  it.effect("ends a thread spawned after the failure, so that joinAll does not wait for ever", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make<string>()
      yield* ThreadGroup.spawn(group, Effect.fail("no"), now)
      const late = yield* ThreadGroup.spawn(group, Effect.never, now)
      expect(yield* endsIn(Effect.exit(ThreadGroup.joinAll(group)), 0)).toEqual(Exit.fail("no"))
      expect(late.reason?._tag).toBe("SiblingFailed")
    })
  )
})

describe("ThreadGroup, collect", () => {
  it.effect("lets the siblings continue, and fails with all failures", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make<string>({ policy: "collect" })
      yield* ThreadGroup.spawn(group, failsAfter(10, "second"), now)
      yield* ThreadGroup.spawn(group, failsAfter(5, "first"), now)
      const sibling = yield* ThreadGroup.spawn(group, Effect.as(Effect.sleep(20), "done"), now)
      const exit = yield* endsIn(Effect.exit(ThreadGroup.joinAll(group)), 20)
      const errors = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isFailReason).map((_) => _.error) : []
      expect(errors).toEqual(["first", "second"])
      expect(yield* Thread.join(sibling)).toBe("done")
    })
  )
})

class NotFound extends Data.TaggedError("NotFound")<{ readonly path: string }> {}

/** Errors that throw when they are compared. */
const incomparable = (): Error =>
  Object.defineProperty(new Error("lazy"), "detail", {
    enumerable: true,
    get: () => {
      throw new Error("nobody reads this")
    }
  })

describe("ThreadGroup, collect, with equal failures", () => {
  it.effect("fails with each of them, and none counts as an unjoined death", () => {
    const logged: Array<unknown> = []
    const logger = Logger.make(({ message }) => void logged.push(message))
    return Effect.gen(function* () {
      const group = yield* ThreadGroup.make<NotFound>({ policy: "collect" })
      for (let i = 0; i < 3; i++) yield* ThreadGroup.spawn(group, Effect.fail(new NotFound({ path: "/a" })))
      const exit = yield* Effect.exit(ThreadGroup.joinAll(group))
      expect(Exit.isFailure(exit) && exit.cause.reasons).toHaveLength(3)
    }).pipe(
      Effect.scoped,
      Effect.andThen(Effect.sync(() => expect(logged).toEqual([]))),
      Effect.provideService(Logger.CurrentLoggers, new Set([logger]))
    )
  })

  it.effect("fails once with a failure that one member has received from another member", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make<string>({ policy: "collect" })
      const first = yield* ThreadGroup.spawn(group, Effect.fail("no"))
      yield* ThreadGroup.spawn(group, Thread.join(first))
      const exit = yield* Effect.exit(ThreadGroup.joinAll(group))
      expect(Exit.isFailure(exit) && exit.cause.reasons).toHaveLength(1)
    })
  )

  it.effect("fails with errors that throw when they are compared", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make<Error>({ policy: "collect" })
      const errors = [incomparable(), incomparable()]
      for (const error of errors) yield* ThreadGroup.spawn(group, Effect.fail(error))
      const exit = yield* Effect.exit(ThreadGroup.joinAll(group))
      const found = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isFailReason) : []
      expect(found.map(({ error }, index) => error === errors[index])).toEqual([true, true])
    })
  )
})

describe("ThreadGroup, an interrupted member with another failure", () => {
  for (const policy of ["failFast", "collect"] as const) {
    it.effect(`makes joinAll fail only with that failure: ${policy}`, () =>
      Effect.gen(function* () {
        const group = yield* ThreadGroup.make({ policy })
        const member = yield* ThreadGroup.spawn(group, Effect.ensuring(Effect.never, Effect.die("cleanup")), now)
        const joiner = yield* Thread.spawn(ThreadGroup.joinAll(group))
        yield* Thread.interrupt(member, { reason: CancelReason.interrupted({ message: "why" }) })
        expect(messages(yield* Thread.await(member))).toEqual(["why"])
        expect(yield* Thread.await(joiner)).toEqual(Exit.die("cleanup"))
      })
    )
  }
})

describe("ThreadGroup, isolate", () => {
  it.effect("shows a failure only to the joiners of that thread", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make({ policy: "isolate" })
      const failing = yield* ThreadGroup.spawn(group, Effect.fail("no"), now)
      const sibling = yield* ThreadGroup.spawn(group, Effect.as(Effect.sleep(20), "done"), now)
      yield* endsIn(ThreadGroup.joinAll(group), 20)
      expect(yield* Effect.flip(Thread.join(failing))).toBe("no")
      expect(yield* Thread.join(sibling)).toBe("done")
    })
  )
})

describe("ThreadGroup.joinAll", () => {
  it.effect("also waits for threads that are spawned during the wait", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      let late = false
      const second = Effect.andThen(
        Effect.sleep(10),
        Effect.sync(() => (late = true))
      )
      yield* ThreadGroup.spawn(
        group,
        Effect.andThen(Effect.sleep(5), Effect.orDie(Effect.suspend(() => ThreadGroup.spawn(group, second, now)))),
        now
      )
      yield* endsIn(ThreadGroup.joinAll(group), 15)
      expect(late).toBe(true)
    })
  )

  it.effect("of no threads returns", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      expect(yield* Effect.exit(ThreadGroup.joinAll(group))).toEqual(Exit.void)
    })
  )

  it.effect("and shutdown, from a thread of the group or below one, fail with SelfJoin", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      const both = Effect.all([defectTag(ThreadGroup.joinAll(group)), defectTag(ThreadGroup.shutdown(group))])
      const below = Effect.orDie(Effect.flatMap(Thread.spawn(both), Thread.join))
      const member = yield* ThreadGroup.spawn(group, Effect.all([Effect.orDie(both), below]))
      expect(yield* Thread.join(member)).toEqual([
        ["SelfJoin", "SelfJoin"],
        ["SelfJoin", "SelfJoin"]
      ])
    })
  )
})

describe("ThreadGroup.shutdown", () => {
  it.effect("climbs with all threads at once on one budget, and reports on each", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      const lease = Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.void })
      yield* ThreadGroup.spawn(group, Effect.andThen(Thread.awaitStop, Effect.sleep(5)), {
        ...now,
        name: "drains"
      })
      yield* ThreadGroup.spawn(group, Effect.andThen(Effect.orDie(lease), cleansUp(7)), { ...now, name: "cleans up" })
      yield* ThreadGroup.spawn(group, hung, { ...now, name: "hangs" })
      yield* ThreadGroup.spawn(group, hung, { ...now, name: "hangs too" })
      const reports = yield* endsIn(ThreadGroup.shutdown(group, { escalation: { stop: 10, interrupt: 20 } }), 30)
      expect(
        reports.map(({ thread, rung, millis, ending, released }) => [
          thread,
          rung,
          millis,
          ending._tag,
          released.map((_) => _.lease)
        ])
      ).toEqual([
        ["drains", "stop", 5, "Succeeded", []],
        ["cleans up", "interrupt", 17, "Interrupted", ["file"]],
        ["hangs", "interrupt", 30, "Abandoned", []],
        ["hangs too", "interrupt", 30, "Abandoned", []]
      ])
      expect(group.size).toBe(0)
    })
  )

  it.effect("of no threads reports nothing", () =>
    Effect.gen(function* () {
      expect(yield* ThreadGroup.shutdown(yield* ThreadGroup.make())).toEqual([])
    })
  )

  it.effect("ends all threads with the same reason", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      const threads = yield* Effect.replicateEffect(ThreadGroup.spawn(group, Effect.never, now), 3)
      yield* ThreadGroup.shutdown(group, { reason: CancelReason.shutdown({ message: "bye", signal: "SIGTERM" }) })
      expect(threads.map((thread) => thread.reason?.message)).toEqual(["bye", "bye", "bye"])
    })
  )

  it.effect("refuses invalid arguments and does not affect the threads", () =>
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make()
      const thread = yield* ThreadGroup.spawn(group, Effect.never, now)
      expect(yield* defectTag(ThreadGroup.shutdown(group, { escalation: {} }))).toBe("InvalidEscalation")
      // A caller without types could pass such a value.
      const reason = "no" as unknown as CancelReason.CancelReason
      expect(yield* defectTag(ThreadGroup.shutdown(group, { reason }))).toBe("InvalidReason")
      expect((yield* Thread.status(thread))._tag).toBe("Running")
    })
  )
})
