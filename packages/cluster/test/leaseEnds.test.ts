/** Leases whose acquire or release fails in their thread, with a store in memory, in virtual time. */
import { ClusterLease } from "@quiesce/cluster"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Schema, Scope } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import { expect, it } from "vitest"
import { type ClusterThread, CurrentClusterThread } from "../src/internal/lease/currentClusterThread.ts"
import * as Entering from "../src/internal/lease/entering.ts"
import { Keepers } from "../src/internal/lease/keepers.ts"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import * as ThreadStore from "../src/internal/store/threadStore.ts"

const Room = ClusterLease.make("Room", { payload: Schema.String, value: Schema.Number })

type Ways = Parameters<typeof ClusterLease.keeper<string, number, never, never, never, never>>[1]

/** Runs a test with a keeper, in the body of a running thread. `left` returns the leases that a runner may release. */
const run = <A, E>(
  ways: Partial<Ways>,
  test: (
    acquire: ReturnType<typeof acquiring>,
    left: Effect.Effect<number>,
    thread: ClusterThread
  ) => Effect.Effect<A, E, Scope.Scope>
): Promise<A> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    yield* ThreadStore.open
    const store = new ThreadStore.ThreadStore(sql)
    yield* store.claim({ id: "t", task: "T", name: "t", caller: "c", runner: "r" })
    const keeper = ClusterLease.keeper(Room, {
      acquire: () => Effect.succeed(1),
      release: () => Effect.void,
      ...ways
    })
    const own = [keeper["~@quiesce/cluster/Keeper"](Context.empty())]
    const keepers = new Keepers(store, "r", own, Context.empty())
    const thread = { id: "t", token: 1, store, keepers }
    const left = Effect.map(
      Effect.orDie(sql`SELECT id FROM quiesce_leases WHERE token NOT IN (SELECT token FROM quiesce_threads)`),
      (rows) => rows.length
    )
    return yield* test(acquiring(thread), left, thread)
  }).pipe(
    Effect.scoped,
    Effect.provide([SqliteClient.layer(":memory:").pipe(Layer.fresh), TestClock.layer()]),
    Effect.runPromise
  )

const acquiring = (thread: ClusterThread) =>
  Effect.provideService(ClusterLease.acquire(Room, "blue"), CurrentClusterThread, thread)

it("a release that hangs is left to the runners after 30 seconds", () =>
  run({ release: () => Effect.never }, (acquire, left) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      yield* Scope.provide(acquire, scope)
      const closing = yield* Effect.forkChild(Effect.exit(Scope.close(scope, Exit.void)), { startImmediately: true })
      yield* TestClock.adjust("29 seconds")
      expect([closing.pollUnsafe(), yield* left]).toEqual([undefined, 0])
      yield* TestClock.adjust("1 second")
      expect(Exit.isFailure(yield* Fiber.join(closing))).toBe(true)
      expect(yield* left).toBe(1)
    })
  ))

it("a resource is left to the runners at once if its acquire by a body in a pool was interrupted", async () => {
  const began = await Effect.runPromise(Deferred.make<void>())
  const acquire = () => Effect.andThen(Deferred.succeed(began, undefined), Effect.never)
  await run({ acquire }, (_, left, thread) =>
    Effect.gen(function* () {
      const entering = yield* Effect.forkChild(Entering.enterScoped(thread, thread.keepers.get("Room")!, "blue"))
      yield* Deferred.await(began)
      expect(yield* left).toBe(0)
      yield* Fiber.interrupt(entering)
      expect(yield* left).toBe(1)
    })
  )
})

it("a resource is left to the runners at once if its Schema refuses the value", () =>
  run({ acquire: () => Effect.succeed(JSON.parse('"text"')) }, (acquire, left) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(acquire)
      expect(String(Exit.isFailure(exit) && exit.cause)).toContain('A value of the task "Room" can\'t be sent')
      expect(yield* left).toBe(1)
    })
  ))
