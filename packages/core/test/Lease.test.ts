import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Lease, Thread } from "@quiesce/core"
import { Clock, Effect, Exit, Latch, Scope } from "effect"
import { TestClock } from "effect/testing"
import { defectOf, defectTags, endsIn, defectTag, hung, messages, settle } from "./support.ts"

const now = { startImmediately: true } as const

const release = () => Effect.void

/** A lease that records its release. */
const noted = (log: Array<string>, name: string, release: Effect.Effect<unknown, string> = Effect.void) =>
  Lease.acquire({
    name,
    acquire: Effect.succeed(name),
    release: () =>
      Effect.andThen(
        Effect.sync(() => log.push(name)),
        release
      )
  })

const hangs = (name: string, releaseWithin: number) =>
  Lease.acquire({ name, acquire: Effect.void, release: () => hung, releaseWithin })

/** A lease whose release never ends. */
const endless = (name: string) => Lease.acquire({ name, acquire: Effect.void, release: () => hung })

const revoked = (): unknown => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

describe("Lease.tally", () => {
  it.effect("has the counts of a child after its parent has shut the child down and ended", () =>
    Effect.gen(function* () {
      const child = Effect.andThen(noted([], "file"), Effect.never)
      const body = Effect.gen(function* () {
        const thread = yield* Thread.spawn(child, now)
        yield* Thread.shutdown(thread)
      })
      const parent = yield* Thread.spawn(body, now)
      yield* Thread.await(parent)
      expect(yield* Lease.tally(parent)).toMatchObject({ acquired: 1, released: 1 })
    })
  )
})

describe("Lease.tally", () => {
  it.effect("counts a lost lease once, even if the lease is released later", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const file = Lease.acquire({ name: "file", acquire: Effect.void, release: () => gate.await })
      const thread = yield* Thread.spawn(Effect.andThen(file, hung), now)
      yield* Thread.shutdown(thread, { escalation: { stop: 0 } })
      yield* gate.open
      yield* settle
      expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 1, released: 0, lost: 1 })
    })
  )
})

describe("Lease.acquire", () => {
  it.effect("returns the resource, and releases once when the scope closes, with the resource and the exit", () =>
    Effect.gen(function* () {
      const seen: Array<unknown> = []
      const scope = yield* Scope.make()
      const lease = Lease.acquire({
        name: "file",
        acquire: Effect.succeed("handle"),
        release: (resource, exit) => Effect.sync(() => seen.push([resource, exit]))
      })
      expect(yield* Scope.provide(lease, scope)).toBe("handle")
      yield* Scope.close(scope, Exit.succeed(1))
      yield* Scope.close(scope, Exit.succeed(2))
      expect(seen).toEqual([["handle", Exit.succeed(1)]])
    })
  )

  it.effect("has no lease when the acquire fails", () =>
    Effect.gen(function* () {
      let released = false
      const release = () => Effect.sync(() => (released = true))
      const failing = Lease.acquire({ name: "file", acquire: Effect.fail("no"), release })
      expect(yield* Effect.flip(Effect.scoped(failing))).toBe("no")
      expect(released).toBe(false)
      expect(yield* Lease.held).toEqual([])
    })
  )

  it.effect("delays an interrupt until the acquire has succeeded, and then releases", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(
        Lease.acquire({
          name: "file",
          acquire: Effect.andThen(
            gate.await,
            Effect.sync(() => log.push("acquired"))
          ),
          release: (_, exit) => Effect.sync(() => log.push(`released ${messages(exit).join()}`))
        }),
        now
      )
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "why" }) })
      yield* gate.open
      yield* Thread.await(thread)
      expect(log).toEqual(["acquired", "released why"])
    })
  )

  it.effect("ends an interruptible acquire at once, without a lease", () =>
    Effect.gen(function* () {
      let released = false
      const thread = yield* Thread.spawn(
        Lease.acquire({
          name: "file",
          acquire: Effect.never,
          release: () => Effect.sync(() => (released = true)),
          interruptible: true
        }),
        now
      )
      yield* Thread.interrupt(thread)
      expect(released).toBe(false)
      expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 0 })
    })
  )

  it.effect("into a closed scope releases at once", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.void)
      yield* Scope.provide(noted(log, "late"), scope)
      expect(log).toEqual(["late"])
    })
  )

  it.effect("runs the other releases when one fails, dies or throws, and loses no error", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* noted(log, "first")
          yield* noted(log, "fails", Effect.fail("disk full"))
          yield* noted(log, "dies", Effect.die("bad"))
          yield* Lease.acquire({
            name: "throws",
            acquire: Effect.void,
            release: () => {
              log.push("throws")
              throw new Error("thrown")
            }
          })
          yield* noted(log, "last")
        })
      )
      const exit = yield* Thread.await(thread)
      expect(log).toEqual(["last", "throws", "dies", "fails", "first"])
      expect([...defectTags(exit)].toSorted()).toEqual(["Error: thrown", "bad", "disk full"])
      expect(yield* Lease.tally(thread)).toEqual({ acquired: 5, released: 2, failed: 3, timedOut: 0, lost: 0 })
    })
  )

  for (const releaseWithin of [undefined, 50]) {
    it.effect(
      `counts a release that returns no effect as failed and runs the others, releaseWithin: ${releaseWithin}`,
      () =>
        Effect.gen(function* () {
          const log: Array<string> = []
          const wrong: ReadonlyArray<unknown> = [
            undefined,
            null,
            5,
            Promise.resolve(),
            Promise.reject(new Error("late")),
            revoked()
          ]
          const thread = yield* Thread.spawn(
            Effect.gen(function* () {
              yield* noted(log, "first")
              for (const given of wrong) {
                // The mistake of a caller without types.
                const release = () => given as Effect.Effect<void>
                yield* Lease.acquire({ name: "wrong", acquire: Effect.void, release, releaseWithin })
              }
              yield* noted(log, "last")
              yield* Effect.never
            }),
            now
          )
          const report = yield* Thread.shutdown(thread, { escalation: { interrupt: 10 } })
          expect(log).toEqual(["last", "first"])
          expect(report.failed.map(({ error }) => error?.match(/returned (.*) and no Effect/)?.[1])).toEqual([
            "an object that can't be read",
            "a Promise",
            "a Promise",
            "5",
            "null",
            "undefined"
          ])
          expect(defectTags(yield* Thread.await(thread))).toEqual(wrong.map(() => "InvalidRelease"))
          expect(yield* Lease.tally(thread)).toEqual({ acquired: 8, released: 2, failed: 6, timedOut: 0, lost: 0 })
        })
    )
  }

  it.effect("with wrong options is a defect that names the option, and acquires nothing", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const acquire = Effect.sync(() => log.push("acquired"))
      const wrong: ReadonlyArray<readonly [string, unknown]> = [
        ["name", { name: 7, acquire, release }],
        ["name", { acquire, release }],
        ["acquire", { name: "file", release }],
        ["acquire", { name: "file", acquire: Promise.resolve(1), release }],
        ["acquire", { name: "file", acquire: () => acquire, release, releaseWithin: 5 }],
        ["release", { name: "file", acquire }],
        ["release", { name: "file", acquire, release: Effect.void, releaseWithin: 5 }]
      ]
      for (const [option, options] of wrong) {
        // The mistake of a caller without types.
        const given = options as Lease.Options<unknown, never, never, never, never>
        const error = yield* defectOf(Effect.scoped(Lease.acquire(given)))
        expect(error.reason).toMatchObject({ _tag: "InvalidLease", option })
        expect(error.message).toContain(`Lease.acquire's ${option} is`)
      }
      expect(log).toEqual([])
    })
  )

  it.effect("abandons a hanging release after releaseWithin, reports it, and runs the others", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* noted(log, "first")
          yield* hangs("hangs", 50)
          yield* noted(log, "last")
          yield* Effect.never
        }),
        now
      )
      yield* endsIn(Thread.interrupt(thread), 50)
      expect(log).toEqual(["last", "first"])
      expect(yield* Clock.currentTimeMillis).toBe(50)
      expect(defectTags(yield* Thread.await(thread))).toEqual(["ReleaseTimedOut"])
      expect(yield* Lease.tally(thread)).toMatchObject({ released: 2, timedOut: 1 })
    })
  )

  it.effect("applies releaseWithin to each hanging release separately", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(Effect.andThen(hangs("a", 20), hangs("b", 30)), scope)
      const exit = yield* endsIn(Effect.exit(Scope.close(scope, Exit.void)), 50)
      expect(defectTags(exit)).toEqual(["ReleaseTimedOut", "ReleaseTimedOut"])
    })
  )

  it.effect("with releaseWithin does not affect a punctual release", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const lease = Lease.acquire({
        name: "slow",
        acquire: Effect.void,
        release: () => Effect.sleep(49),
        releaseWithin: 50
      })
      yield* Scope.provide(lease, scope)
      expect(yield* endsIn(Effect.exit(Scope.close(scope, Exit.void)), 49)).toEqual(Exit.void)
    })
  )

  it.effect("interrupts a release when it abandons the release", () =>
    Effect.gen(function* () {
      let interrupted = false
      const release = () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (interrupted = true)))
      const scope = yield* Scope.make()
      yield* Scope.provide(Lease.acquire({ name: "slow", acquire: Effect.void, release, releaseWithin: 50 }), scope)
      yield* endsIn(Effect.exit(Scope.close(scope, Exit.void)), 50)
      expect(interrupted).toBe(true)
    })
  )

  it.effect("shields a release from every cancel", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      yield* settle
      const slow = Effect.andThen(
        Effect.sleep(50),
        Effect.sync(() => log.push("done"))
      )
      const thread = yield* Thread.spawn(Effect.andThen(noted(log, "slow", slow), Effect.never), now)
      yield* Thread.interruptFork(thread)
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "again" }) })
      yield* TestClock.adjust(50)
      expect(log).toEqual(["slow", "done"])
    })
  )

  it.effect("refuses an invalid releaseWithin and acquires nothing", () =>
    Effect.gen(function* () {
      let acquired = false
      const acquire = Effect.sync(() => (acquired = true))
      for (const releaseWithin of [-1, NaN, Infinity]) {
        const lease = Lease.acquire({ name: "file", acquire, release: () => Effect.void, releaseWithin })
        expect(yield* defectTag(lease)).toBe("InvalidDuration")
      }
      expect(acquired).toBe(false)
    })
  )
})

describe("Lease.held", () => {
  it.effect("lists the leases of the current thread, the latest first, with their ages", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* noted([], "old")
          yield* Effect.sleep(10)
          yield* Effect.scoped(noted([], "gone"))
          yield* noted([], "new")
          return yield* Lease.held
        }),
        { ...now, name: "holder" }
      )
      expect(yield* endsIn(Thread.join(thread), 10)).toEqual([
        { name: "new", thread: "holder", ageMillis: 0, releasing: false },
        { name: "old", thread: "holder", ageMillis: 10, releasing: false }
      ])
    })
  )

  it.effect("shows a lease as releasing while its release runs, and not after", () =>
    Effect.gen(function* () {
      let during: ReadonlyArray<Lease.Held> = []
      yield* Effect.scoped(
        Lease.acquire({
          name: "file",
          acquire: Effect.void,
          release: () => Effect.map(Lease.held, (held) => (during = held))
        })
      )
      expect(during).toMatchObject([{ name: "file", thread: "main", releasing: true }])
      expect(yield* Lease.held).toEqual([])
    })
  )
})

describe("Lease.tally", () => {
  it.effect("counts a thread and all its descendants, live and ended", () =>
    Effect.gen(function* () {
      const leaf = noted([], "leaf")
      const parent = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* Thread.join(yield* Thread.spawn(Effect.asVoid(leaf)))
          yield* Thread.spawn(Effect.andThen(leaf, Effect.never), now)
          yield* leaf
          yield* Effect.never
        }),
        now
      )
      yield* settle
      expect(yield* Lease.tally(parent)).toEqual({ acquired: 3, released: 1, failed: 0, timedOut: 0, lost: 0 })
      yield* Thread.interrupt(parent)
      expect(yield* Lease.tally(parent)).toEqual({ acquired: 3, released: 3, failed: 0, timedOut: 0, lost: 0 })
    })
  )

  it.effect("counts the leases of an abandoned thread and its children as lost, also in the counts of its parent", () =>
    Effect.gen(function* () {
      const parent = yield* Thread.spawn(
        Effect.gen(function* () {
          const stuck = yield* Thread.spawn(
            Effect.gen(function* () {
              yield* endless("own")
              yield* Thread.spawn(Effect.andThen(endless("child's"), hung), now)
              yield* hung
            }),
            now
          )
          yield* Thread.shutdown(stuck, { escalation: { interrupt: 10 } })
          yield* Effect.never
        }),
        now
      )
      yield* TestClock.adjust(20)
      expect(yield* Lease.tally(parent)).toEqual({ acquired: 2, released: 0, failed: 0, timedOut: 0, lost: 2 })
    })
  )
})
