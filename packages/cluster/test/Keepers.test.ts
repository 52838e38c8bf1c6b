/** Keepers that hang or throw, with the leases of a killed thread. */
import { Context, Effect, Layer } from "effect"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import { TestClock } from "effect/testing"
import { expect, it } from "vitest"
import * as ClusterLease from "../src/ClusterLease.ts"
import { Keepers } from "../src/internal/lease/keepers.ts"
import * as LeaseStore from "../src/internal/store/leaseStore.ts"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import * as ThreadStore from "../src/internal/store/threadStore.ts"

const Lock = ClusterLease.make("lock", { payload: Schema.String, value: Schema.String })

/** The keeper hangs for one lease, throws at the first release of another, and releases the third. */
const hostile = () => {
  const released: Array<string> = []
  let throws = true
  const keeper = ClusterLease.keeper(Lock, {
    acquire: Effect.succeed,
    release: ({ payload }) => {
      if (payload === "hangs") return Effect.uninterruptible(Effect.never)
      if (payload === "throws" && throws) {
        throws = false
        throw new Error("the keeper throws")
      }
      return Effect.sync(() => released.push(payload))
    }
  })
  return { keeper: keeper["~@quiesce/cluster/Keeper"](Context.empty()), released }
}

/** The leases without a current runner, and the leases with one. */
const rowsOf = Effect.flatMap(SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly payload: string; readonly reaper: string | null }>`SELECT payload, reaper FROM quiesce_leases`,
    (rows) => rows.map(({ payload, reaper }) => `${JSON.parse(payload)} ${reaper === null ? "free" : "taken"}`)
  )
)

const until = (wanted: ReadonlyArray<string>): Effect.Effect<unknown, unknown, SqlClient> =>
  Effect.repeat(Effect.andThen(Effect.yieldNow, rowsOf), {
    until: (rows) => JSON.stringify(rows.toSorted()) === JSON.stringify(wanted)
  })

it("a keeper that hangs delays no other release, and a keeper that throws is called again", () =>
  Effect.runPromise(
    Effect.gen(function* () {
      const store = yield* ThreadStore.open
      const { keeper, released } = hostile()
      yield* store.claim({ id: "t", task: "T", name: "t", caller: "c", runner: "dead" })
      for (const payload of ["hangs", "throws", "fine"]) {
        const entry = { id: payload, thread: "t", token: 1, name: "lock", payload: JSON.stringify(payload) }
        yield* LeaseStore.enter(store, entry)
        yield* LeaseStore.acquired(store, entry, JSON.stringify("value"))
      }
      yield* store.kill("t", "{}")
      const keepers = new Keepers(store, "own", [keeper], Context.empty())
      yield* keepers.reap
      yield* until(["hangs taken", "throws free"])
      expect(released).toEqual(["fine"])
      // The pause before the next attempt is over.
      yield* store.sql`UPDATE quiesce_leases SET reaper_until = 0 WHERE reaper IS NULL`
      yield* keepers.reap
      yield* until(["hangs taken"])
      expect(released).toEqual(["fine", "throws"])
      // The release that hangs can't be interrupted. Another runner takes the lease when the claim of this runner has
      // expired.
      yield* store.sql`UPDATE quiesce_leases SET reaper_until = 0`
      expect(yield* LeaseStore.reap(store, ["lock"], "other", 1000)).toMatchObject([{ id: "hangs", attempts: 2 }])
    }).pipe(Effect.provide(SqliteClient.layer(":memory:").pipe(Layer.fresh)), Effect.provide(TestClock.layer()))
  ))

/** The given number of leases of one killed thread. */
const leave = (store: ThreadStore.ThreadStore, count: number, payload: string) =>
  Effect.gen(function* () {
    const thread = `the thread of ${payload}`
    yield* store.claim({ id: thread, task: "T", name: "t", caller: "c", runner: "dead" })
    for (let n = 0; n < count; n++) {
      const entry = { id: `${payload} ${n}`, thread, token: 1, name: "lock", payload: JSON.stringify(payload) }
      yield* LeaseStore.enter(store, entry)
    }
    yield* store.kill(thread, "{}")
  })

it("a scan takes all leases that a dead runner has left, with at most some 512 releases at once", () =>
  Effect.runPromise(
    Effect.gen(function* () {
      const store = yield* ThreadStore.open
      const { keeper, released } = hostile()
      const keepers = new Keepers(store, "own", [keeper], Context.empty())
      yield* leave(store, 100, "fine")
      yield* keepers.reap
      yield* until([])
      expect(released.length).toBe(100)

      yield* leave(store, 600, "hangs")
      yield* keepers.reap
      const taken = (yield* rowsOf).filter((row) => row === "hangs taken")
      expect(taken.length).toBe(512)
    }).pipe(Effect.provide([SqliteClient.layer(":memory:").pipe(Layer.fresh), TestClock.layer()]))
  ))
