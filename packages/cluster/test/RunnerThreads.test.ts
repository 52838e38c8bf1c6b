/** The threads of a runner, with a store in memory that can be slow or away. */
import { CancelReason, Lease, Thread } from "@quiesce/core"
import { Context, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import { SqlClient } from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import { expect, it } from "vitest"
import * as ClusterError from "../src/ClusterError.ts"
import type { Bodies } from "../src/internal/runner/bodies.ts"
import { RunnerThreads } from "../src/internal/runner/runnerThreads.ts"
import * as LeaseStore from "../src/internal/store/leaseStore.ts"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import * as ThreadStore from "../src/internal/store/threadStore.ts"
import * as Outcome from "../src/internal/wire/outcome.ts"

type Store = ThreadStore.ThreadStore
type ClaimOf = (...args: Parameters<Store["claim"]>) => ReturnType<Store["claim"]>
type EndOf = (...args: Parameters<Store["end"]>) => ReturnType<Store["end"]>

/** A store with an `end` and a `claim` of its own. */
class Other extends ThreadStore.ThreadStore {
  around: (end: ReturnType<EndOf>) => ReturnType<EndOf> = (end) => end

  aroundClaim: (claim: ReturnType<ClaimOf>) => ReturnType<ClaimOf> = (claim) => claim

  override claim(...args: Parameters<Store["claim"]>): ReturnType<ClaimOf> {
    return this.aroundClaim(super.claim(...args))
  }

  override end(...args: Parameters<Store["end"]>): ReturnType<EndOf> {
    return this.around(super.end(...args))
  }
}

const opened = Effect.flatMap(ThreadStore.open, () => Effect.map(SqlClient, (sql) => new Other(sql)))
const wire = Outcome.of(Rpc.make("T", {}))
const leased = Effect.scoped(
  Effect.asVoid(Lease.acquire({ name: "lease", acquire: Effect.void, release: () => Effect.void }))
)
const bodies: Bodies = {
  tasks: new Set(["T"]),
  canUnwind: false,
  // A thread of the name "short" does not wait.
  spawn: ({ name }, begun) => Thread.spawn(Effect.andThen(begun, name === "short" ? leased : Effect.never))
}

/**
 * Bodies that take two steps to spawn. `spawning` completes after the first step, and the second step waits for `go`.
 */
const slowBodies = (spawning: Deferred.Deferred<void>, go: Deferred.Deferred<void>): Bodies => ({
  ...bodies,
  spawn: (start, begun) =>
    Deferred.succeed(spawning, undefined).pipe(
      Effect.andThen(Deferred.await(go)),
      Effect.andThen(bodies.spawn(start, begun))
    )
})
const runner = { incarnation: "own", host: null, port: null }
const request = { task: "T", name: "t", caller: "c", payload: "null" }

/** A runner without a thread. */
const idle = (own: Bodies) =>
  Effect.gen(function* () {
    const store = yield* opened
    const threads = new RunnerThreads({
      store,
      runner,
      bodies: own,
      wires: new Map([["T", wire]]),
      escalation: { interrupt: "1 second" },
      context: Context.omit(SqlClient)(yield* Effect.context<SqlClient>())
    })
    return { store, threads }
  })

/** A runner with one running thread. */
const running = Effect.gen(function* () {
  const { store, threads } = yield* idle(bodies)
  const started = yield* Deferred.make<void>()
  const events = yield* threads.run("t", request).pipe(
    Stream.tap((event) => (event._tag === "Started" ? Deferred.succeed(started, undefined) : Effect.void)),
    Stream.runCollect,
    Effect.forkChild
  )
  yield* Deferred.await(started)
  return { events, store, threads }
})

const run = <A, E>(test: Effect.Effect<A, E, SqlClient>): Promise<A> =>
  Effect.runPromise(test.pipe(Effect.provide(SqliteClient.layer(":memory:").pipe(Layer.fresh))))

const shutdown = CancelReason.shutdown({ message: "enough" })

it("a runner that ends waits until the store has the outcomes of its threads", () =>
  run(
    Effect.gen(function* () {
      const { events, store, threads } = yield* running
      const [asked, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      store.around = (end) =>
        Effect.andThen(Deferred.succeed(asked, undefined), Effect.andThen(Deferred.await(gate), end))
      const drained = yield* Effect.forkChild(threads.drain(shutdown))
      yield* Deferred.await(asked)
      yield* Effect.yieldNow
      expect(drained.pollUnsafe()).toBeUndefined()
      expect(yield* store.row("t")).toMatchObject({ state: "running" })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(drained)
      expect(yield* store.row("t")).toMatchObject({ state: "ended" })
      expect((yield* Fiber.join(events)).at(-1)?._tag).toBe("Ended")
    })
  ))

it("a runner that ends waits at most a minute for a store that is away, and starts nothing during the wait", () =>
  run(
    Effect.gen(function* () {
      const { store, threads } = yield* running
      const asked = yield* Deferred.make<void>()
      const away = ClusterError.make({ _tag: "StoreUnavailable", operation: "store an outcome", problem: "away" })
      store.around = () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.fail(away))
      const drained = yield* Effect.forkChild(threads.drain(shutdown))
      yield* Deferred.await(asked)
      expect(yield* Stream.runCollect(threads.run("u", request))).toEqual([{ _tag: "Elsewhere" }])
      yield* TestClock.adjust("59 seconds")
      expect(drained.pollUnsafe()).toBeUndefined()
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(drained)
      expect(yield* store.row("t")).toMatchObject({ state: "running" })
    }).pipe(Effect.provide(TestClock.layer()))
  ))

/** The reason with which a thread has ended, by its row. */
const reasonOf = (store: Store, id: string) =>
  Effect.gen(function* () {
    const row = yield* store.row(id)
    const { exit } = yield* wire.decodeExit(row?.outcome ?? "")
    return CancelReason.fromExit(exit)
  })

const moved = CancelReason.moved("own", { message: "enough" })

it("a runner that ends passes its reason to a thread whose row is being written, and the body does not start", () =>
  run(
    Effect.gen(function* () {
      const { store, threads } = yield* idle(bodies)
      const [claimed, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      store.aroundClaim = (claim) =>
        Effect.tap(claim, () => Effect.andThen(Deferred.succeed(claimed, undefined), Deferred.await(gate)))
      const events = yield* Effect.forkChild(Stream.runCollect(threads.run("t", request)))
      yield* Deferred.await(claimed)
      const ending = yield* Effect.forkChild(threads.drain(moved), { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(ending)
      expect((yield* Fiber.join(events)).map(({ _tag }) => _tag)).toEqual(["Ended"])
      expect(yield* reasonOf(store, "t")).toMatchObject({ value: { _tag: "Moved", message: "enough" } })
    })
  ))

it("a runner that ends passes its reason to a thread that is being spawned", () =>
  run(
    Effect.gen(function* () {
      const [spawning, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { store, threads } = yield* idle(slowBodies(spawning, gate))
      const events = yield* Effect.forkChild(Stream.runCollect(threads.run("t", request)))
      yield* Deferred.await(spawning)
      const ending = yield* Effect.forkChild(threads.drain(moved), { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(ending)
      expect((yield* Fiber.join(events)).map(({ _tag }) => _tag)).toEqual(["Started", "Ended"])
      expect(yield* reasonOf(store, "t")).toMatchObject({ value: { _tag: "Moved", message: "enough" } })
    })
  ))

it("the first answer contains the end of a body that does not wait, and otherwise the start", () =>
  run(
    Effect.gen(function* () {
      const { events, threads } = yield* running
      expect((yield* threads.start("t", request)).map(({ _tag }) => _tag)).toEqual(["Started"])
      expect((yield* threads.start("short", { ...request, name: "short" })).map(({ _tag }) => _tag)).toEqual([
        "Started",
        "Acquired",
        "Released",
        "Ended"
      ])
      expect((yield* threads.start("long", request)).map(({ _tag }) => _tag)).toEqual(["Started"])
      yield* threads.drain(shutdown)
      yield* Fiber.join(events)
    })
  ))

it("a thread whose caller has died ends with the reason ParentEnded", () =>
  run(
    Effect.gen(function* () {
      const { events, store, threads } = yield* running
      yield* threads.endOrphans((caller) => caller === "c")
      yield* Fiber.join(events)
      expect(yield* reasonOf(store, "t")).toMatchObject({
        value: { _tag: "ParentEnded", message: "The caller is gone" }
      })
    })
  ))

it("a lease that was acquired after its release has a row again, because its machine was frozen in between", () =>
  run(
    Effect.gen(function* () {
      const store = yield* opened
      const claim = { id: "t", task: "T", name: "t", caller: "c", runner: "frozen" }
      yield* store.claim(claim)
      const entry = { id: "l", thread: "t", token: 1, name: "lock", payload: "1" }
      expect(yield* LeaseStore.enter(store, entry)).toBe(true)
      yield* store.kill("t", "{}")
      const [left] = yield* LeaseStore.reap(store, ["lock"], "other", 0)
      yield* LeaseStore.removeReleased(store, left!)
      // The keeper of the frozen runner acquires the resource now.
      expect(yield* LeaseStore.acquired(store, entry, "2")).toBe(false)
      expect(yield* LeaseStore.reap(store, ["lock"], "other", 0)).toMatchObject([{ id: "l", value: "2" }])
      // A release without the value does not count.
      yield* LeaseStore.removeReleased(store, left!)
      expect(yield* store.sql`SELECT id FROM quiesce_leases`).toHaveLength(1)
    })
  ))
