import { CancelReason } from "@quiesce/core"
import { Clock, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { expect, it } from "vitest"
import { Rounds } from "../src/internal/runner/rounds.ts"
import type { RunnerThreads } from "../src/internal/runner/runnerThreads.ts"
import { Calm } from "../src/internal/watch/calm.ts"
import * as MemberStore from "../src/internal/store/memberStore.ts"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import * as ThreadStore from "../src/internal/store/threadStore.ts"

/** A store whose clock is ahead of its machine's by `ahead.millis`. */
class Ahead extends ThreadStore.ThreadStore {
  readonly ahead = { millis: 0 }

  override get clock() {
    return Effect.map(super.clock, (now) => now + this.ahead.millis)
  }
}

const opened = Effect.flatMap(ThreadStore.open, () => Effect.map(SqlClient, (sql) => new Ahead(sql)))

const withStore = <A, E>(use: (store: Ahead) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(Effect.flatMap(opened, use).pipe(Effect.provide(SqliteClient.layer(":memory:").pipe(Layer.fresh))))

/** The threads of a runner, as its rounds see them. `calls` has the requested ends. */
const stub = (caller: string) => {
  const calls: Array<string> = []
  const threads: Pick<RunnerThreads, "size" | "callers" | "endOrphans" | "endFenced"> = {
    size: 1,
    callers: new Set([caller]),
    endOrphans: (isGone) => Effect.sync(() => isGone(caller) && calls.push("orphan")),
    endFenced: (ids) => Effect.sync(() => ids.length > 0 && calls.push(`fenced ${ids.join()}`))
  }
  // The rounds use only these members.
  return { calls, threads: threads as RunnerThreads }
}

const runner = { incarnation: "own", host: null, port: null }

/** Runs an effect with a clock that is ahead by the given number of milliseconds. */
const later =
  (millis: number) =>
  <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(Clock.Clock, (clock) => {
      const moved: Clock.Clock = Object.create(clock, {
        monotonicTimeNanos: {
          value: Effect.map(clock.monotonicTimeNanos, (nanos) => nanos + BigInt(millis) * 1_000_000n)
        }
      })
      return Effect.provideService(effect, Clock.Clock, moved)
    })

/** A renewal of this runner's row. */
const renewal = (calm: Calm) => calm.renew({ id: "own", kind: "runner", address: null }, 60_000)

/** Renews this runner's row in time from second `from` to second `to`, with a round after each renewal. */
const seconds = (calm: Calm, rounds: Rounds, from: number, to: number) =>
  Effect.forEach(Array.from({ length: to - from + 1 }), (_, n) => {
    const millis = (from + n) * 1000
    return Effect.andThen(later(millis)(Effect.andThen(renewal(calm), rounds.look)), Effect.yieldNow)
  })

/** A round with a thread of another runner, and with a caller. Both have no valid row. */
const withExpired = (
  test: (expired: {
    readonly store: Ahead
    readonly calm: Calm
    readonly rounds: Rounds
    readonly judged: Effect.Effect<
      { readonly calls: ReadonlyArray<string>; readonly state: string | undefined },
      unknown
    >
  }) => Effect.Effect<void, unknown>
) =>
  withStore((store) =>
    Effect.gen(function* () {
      const { calls, threads } = stub("c")
      yield* store.claim({ id: "t", task: "T", name: "t", caller: "c", runner: "other" })
      const calm = yield* Calm.make(store)
      const rounds = new Rounds(store, threads, runner, calm)
      const judged = Effect.map(store.row("t"), (row) => ({ calls, state: row?.state }))
      yield* test({ store, calm, rounds, judged })
    })
  )

const nobody = { calls: [], state: "running" }

it("a round ends the threads of a caller without a row, and fences the threads of a lost runner", () =>
  withExpired(({ calm, judged, rounds, store }) =>
    Effect.gen(function* () {
      yield* seconds(calm, rounds, 1, 3)
      expect(yield* judged).toEqual({ calls: ["orphan"], state: "killed" })
      expect(yield* store.row("t")).toMatchObject({ token: 2 })
    })
  ))

it("a round declares no member lost when its runner has just started, because the store may have been away until then", () =>
  withExpired(({ calm, judged, rounds }) =>
    Effect.gen(function* () {
      yield* rounds.look
      yield* seconds(calm, rounds, 1, 2)
      expect(yield* judged).toEqual(nobody)
    })
  ))

it("a round declares no member lost for a while after a jump of the store's clock, because no member has renewed its row", () =>
  withStore((store) =>
    Effect.gen(function* () {
      const { calls, threads } = stub("c")
      const calm = yield* Calm.make(store)
      const rounds = new Rounds(store, threads, runner, calm)
      yield* MemberStore.renew(store, { id: "c", kind: "caller", address: null }, 60_000)
      yield* MemberStore.renew(store, { id: "other", kind: "runner", address: null }, 60_000)
      yield* store.claim({ id: "t", task: "T", name: "t", caller: "c", runner: "other" })
      yield* seconds(calm, rounds, 1, 4)
      store.ahead.millis = 3_600_000
      // The rows count as expired now.
      yield* store.sql`UPDATE quiesce_members SET until = 0`
      yield* seconds(calm, rounds, 5, 7)
      expect(calls).toEqual([])
      expect(yield* store.row("t")).toMatchObject({ state: "running" })
      yield* seconds(calm, rounds, 8, 8)
      expect(calls).toEqual(["orphan"])
    })
  ))

it("a round declares no member lost while the store answers reads and takes no writes, nor for a while afterwards", () =>
  withExpired(({ calm, judged, rounds }) =>
    Effect.gen(function* () {
      yield* later(2000)(renewal(calm))
      // The reads succeed, and no renewal succeeds.
      yield* later(4500)(rounds.look)
      yield* later(9000)(rounds.look)
      yield* Effect.yieldNow
      expect(yield* judged).toEqual(nobody)
      // The renewal that has waited succeeds. The other members may be a second late.
      yield* seconds(calm, rounds, 10, 12)
      expect(yield* judged).toEqual(nobody)
      yield* seconds(calm, rounds, 13, 13)
      expect(yield* judged).toEqual({ calls: ["orphan"], state: "killed" })
    })
  ))

it("a round ends the threads of this runner that were killed in the store", () =>
  withStore((store) =>
    Effect.gen(function* () {
      const { calls, threads } = stub("c")
      yield* MemberStore.renew(store, { id: "c", kind: "caller", address: null }, 60_000)
      yield* store.claim({ id: "t", task: "T", name: "t", caller: "c", runner: "own" })
      yield* store.kill("t", JSON.stringify(CancelReason.interrupted()))
      yield* new Rounds(store, threads, runner, yield* Calm.make(store)).look
      yield* Effect.yieldNow
      expect(calls).toEqual(["fenced t"])
    })
  ))
