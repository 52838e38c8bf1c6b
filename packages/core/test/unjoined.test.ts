import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "@effect/vitest"
import { Lease, Thread, ThreadGroup } from "@quiesce/core"
import { Cause, Deferred, Effect, Exit, Fiber, Logger, References, Scope } from "effect"
import { hung, settle } from "./support.ts"

interface Entry {
  readonly level: string
  readonly message: string
  readonly failures: ReadonlyArray<unknown>
  readonly annotations: Readonly<Record<string, unknown>>
}

/** The entries of a logger, and the effect with that logger. */
const logger = () => {
  const entries: Array<Entry> = []
  const collecting = Logger.make(({ cause, fiber, logLevel, message }) => {
    const failures = cause.reasons.flatMap((reason) =>
      Cause.isInterruptReason(reason) ? [] : [Cause.isFailReason(reason) ? reason.error : reason.defect]
    )
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    entries.push({ level: logLevel, message: String(message), failures, annotations })
  })
  return { entries, logged: Effect.provide(Logger.layer([collecting])) }
}

/** Collects garbage until `done`. The runtime calls back for collected objects in a later turn. */
const collectGarbage = (done: () => boolean): Effect.Effect<void> =>
  Effect.promise(async () => {
    setFlagsFromString("--expose-gc")
    const collect = runInNewContext("gc") as () => void
    while (!done()) {
      collect()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })

const fails = Effect.fail("broken")
const spawnFailing = Thread.spawn(fails, { name: "reader" })

describe("a thread that dies without a join", () => {
  it.effect("is logged once when its scope closes, with its name, its cause and its id", () =>
    Effect.gen(function* () {
      const { entries, logged } = logger()
      const scope = yield* Scope.make()
      const thread = yield* Scope.provide(spawnFailing, scope).pipe(logged)
      yield* settle
      expect(entries).toEqual([])
      yield* Scope.close(scope, Exit.void)
      expect(entries).toEqual([
        {
          level: "Error",
          message: 'Thread "reader" has died, and no other thread has joined it',
          failures: ["broken"],
          annotations: { "thread.id": thread.id, "thread.name": "reader" }
        }
      ])
      yield* Effect.exit(Thread.join(thread))
      yield* settle
      expect(entries).toHaveLength(1)
    })
  )

  it.effect("is logged when its parent ends", () =>
    Effect.gen(function* () {
      const { entries, logged } = logger()
      const parent = Effect.andThen(spawnFailing, settle)
      yield* Thread.spawn(parent).pipe(Effect.flatMap(Thread.join), Effect.scoped, logged)
      expect(entries.map(({ message }) => message)).toEqual([
        'Thread "reader" has died, and no other thread has joined it'
      ])
    })
  )

  it.effect("is logged when the thread is garbage-collected, and not again when its scope closes", () =>
    Effect.gen(function* () {
      const { entries, logged } = logger()
      const scope = yield* Scope.make()
      yield* Effect.asVoid(Scope.provide(spawnFailing, scope)).pipe(logged)
      yield* settle
      yield* collectGarbage(() => entries.length > 0)
      expect(entries.map(({ failures }) => failures)).toEqual([["broken"]])
      yield* Scope.close(scope, Exit.void)
      yield* settle
      expect(entries).toHaveLength(1)
    })
  )

  it.effect("is logged at UnhandledLogLevel, and not at all without a level", () =>
    Effect.gen(function* () {
      for (const [level, expected] of [
        ["Warn", ["Warn"]],
        ["Debug", []],
        [undefined, []]
      ] as const) {
        const { entries, logged } = logger()
        yield* Effect.andThen(spawnFailing, settle).pipe(
          Effect.scoped,
          Effect.provideService(References.UnhandledLogLevel, level),
          logged
        )
        expect(entries.map((entry) => entry.level)).toEqual(expected)
      }
    })
  )

  it.effect("is logged when a finalizer fails during an interrupt", () =>
    Effect.gen(function* () {
      const { entries, logged } = logger()
      const lease = Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.fail("stuck") })
      const body = Effect.andThen(lease, Effect.never)
      yield* Effect.scoped(Effect.andThen(Thread.spawn(body, { startImmediately: true }), Effect.void)).pipe(logged)
      yield* settle
      expect(entries.map(({ failures }) => failures)).toEqual([["stuck"]])
    })
  )
})

const quiet = <E>(name: string, program: Effect.Effect<unknown, E, Scope.Scope>) =>
  it.effect(`is not logged: ${name}`, () =>
    Effect.gen(function* () {
      const { entries, logged } = logger()
      yield* Effect.exit(Effect.scoped(program)).pipe(logged)
      yield* settle
      expect(entries).toEqual([])
    })
  )

describe("a thread whose end does not count as a death without a join", () => {
  quiet("it succeeded", Effect.andThen(Thread.spawn(Effect.void), settle))
  quiet("it was interrupted", Effect.flatMap(Thread.spawn(Effect.never), Thread.interrupt))
  quiet("its scope ended it", Thread.spawn(Effect.never, { startImmediately: true }))
  quiet("it was joined before its death", Effect.flatMap(spawnFailing, Thread.join))
  quiet(
    "it was joined after its death",
    Effect.flatMap(spawnFailing, (thread) => Effect.andThen(settle, Thread.join(thread)))
  )
  quiet(
    "it was awaited after its death",
    Effect.flatMap(spawnFailing, (thread) => Effect.andThen(settle, Thread.await(thread)))
  )
  quiet(
    "it was awaited in the step in which its interrupt returned",
    Effect.gen(function* () {
      const lease = Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.fail("stuck") })
      const thread = yield* Thread.spawn(Effect.andThen(lease, Effect.never), { startImmediately: true })
      yield* Thread.interrupt(thread)
      return yield* Thread.await(thread)
    })
  )
  quiet(
    "its status was read",
    Effect.flatMap(spawnFailing, (thread) => Effect.andThen(settle, Thread.status(thread)))
  )
  quiet(
    "it was joined with a limit",
    Effect.flatMap(spawnFailing, (thread) => Thread.joinWithin(thread, "1 second"))
  )
  quiet(
    "it died while joinAll waited for another thread",
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const first = yield* Thread.spawn(Deferred.await(gate))
      const second = yield* spawnFailing
      const all = yield* Effect.forkChild(Thread.joinAll([first, second]))
      yield* settle
      yield* Deferred.succeed(gate, undefined)
      return yield* Fiber.join(all)
    })
  )
  quiet(
    "a report names its failure",
    Effect.flatMap(spawnFailing, (thread) => Effect.andThen(settle, Thread.shutdown(thread)))
  )
  quiet(
    "a report names it as abandoned",
    Effect.flatMap(Thread.spawn(hung, { startImmediately: true }), (thread) =>
      Thread.shutdown(thread, { escalation: { interrupt: 0 } })
    )
  )
  quiet(
    "its group was joined while it lived",
    Effect.gen(function* () {
      const group = yield* ThreadGroup.make<string>()
      yield* ThreadGroup.spawn(group, fails)
      return yield* ThreadGroup.joinAll(group)
    })
  )
  for (const policy of ["failFast", "collect"] as const) {
    quiet(
      `its group (${policy}) was joined after its death`,
      Effect.gen(function* () {
        const group = yield* ThreadGroup.make<string>({ policy })
        yield* ThreadGroup.spawn(group, fails)
        yield* settle
        return yield* ThreadGroup.joinAll(group)
      })
    )
    quiet(
      `it was joined, and its group (${policy}) was not`,
      Effect.gen(function* () {
        const group = yield* ThreadGroup.make<string>({ policy })
        const thread = yield* ThreadGroup.spawn(group, fails)
        yield* settle
        return yield* Thread.join(thread)
      })
    )
  }
})

describe("a thread of a group", () => {
  it.effect("is logged when the scope of its group closes without a join of either", () =>
    Effect.gen(function* () {
      for (const policy of ["failFast", "collect", "isolate"] as const) {
        const { entries, logged } = logger()
        const program = Effect.gen(function* () {
          const group = yield* policy === "isolate"
            ? ThreadGroup.make({ policy })
            : ThreadGroup.make<string>({ policy })
          yield* ThreadGroup.spawn(group, fails, { name: "member" })
          yield* settle
          expect(entries).toEqual([])
        })
        yield* Effect.scoped(program).pipe(logged)
        yield* settle
        expect(entries.map(({ annotations, failures }) => [annotations["thread.name"], failures])).toEqual([
          ["member", ["broken"]]
        ])
      }
    })
  )

  it.effect(
    "is logged when it failed after the first failure of a group that fails fast, which drops its failure",
    () =>
      Effect.gen(function* () {
        const { entries, logged } = logger()
        const program = Effect.gen(function* () {
          const group = yield* ThreadGroup.make<string>()
          const second = Effect.onInterrupt(Effect.never, () => Effect.die("late"))
          yield* ThreadGroup.spawn(group, second, { name: "second", startImmediately: true })
          yield* ThreadGroup.spawn(group, fails, { name: "first" })
          return yield* Effect.exit(ThreadGroup.joinAll(group))
        })
        yield* Effect.scoped(program).pipe(logged)
        yield* settle
        expect(entries.map(({ annotations, failures }) => [annotations["thread.name"], failures])).toEqual([
          ["second", ["late"]]
        ])
      })
  )
})

describe("a lost lease", () => {
  it.effect("is logged once, with the thread that held it", () =>
    Effect.gen(function* () {
      const { entries, logged } = logger()
      const lease = Lease.acquire({ name: "file", acquire: Effect.void, release: () => hung })
      const spawned = Thread.spawn(Effect.andThen(lease, Effect.never), {
        name: "reader",
        startImmediately: true,
        escalation: { interrupt: 0 }
      })
      const { id } = yield* Effect.scoped(spawned).pipe(logged)
      yield* settle
      expect(entries.filter(({ message }) => message.includes("lease"))).toEqual([
        {
          level: "Error",
          message: 'Thread "reader" has lost the lease "file": it ended before the release',
          failures: [],
          annotations: { "thread.id": id, "thread.name": "reader" }
        }
      ])
    })
  )

  it.effect("is not logged if a report lists it", () =>
    Effect.gen(function* () {
      const { entries, logged } = logger()
      const lease = Lease.acquire({ name: "file", acquire: Effect.void, release: () => hung })
      const program = Effect.gen(function* () {
        const thread = yield* Thread.spawn(Effect.andThen(lease, Effect.never), { startImmediately: true })
        const report = yield* Thread.shutdown(thread, { escalation: { interrupt: 0 } })
        expect(report.lost.map((lost) => lost.lease)).toEqual(["file"])
      })
      yield* Effect.scoped(program).pipe(logged)
      yield* settle
      expect(entries).toEqual([])
    })
  )
})
