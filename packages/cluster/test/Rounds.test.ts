import { CancelReason } from "@quiesce/core"
import { Clock, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { expect, it } from "vitest"
import { Rounds } from "../src/internal/runner/rounds.ts"
import type { RunnerThreads } from "../src/internal/runner/runnerThreads.ts"
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

/** The threads of a runner as its rounds see them. `calls` has the ends that the rounds asked for. */
const stub = (caller: string) => {
  const calls: Array<string> = []
  const threads: Pick<RunnerThreads, "size" | "callers" | "endOrphans" | "endFenced"> = {
    size: 1,
    callers: new Set([caller]),
    endOrphans: (isGone) => Effect.sync(() => isGone(caller) && calls.push("orphan")),
    endFenced: (ids) => Effect.sync(() => ids.length > 0 && calls.push(`fenced ${ids.join()}`))
  }
  // The rounds use these members alone.
  return { calls, threads: threads as RunnerThreads }
}

const runner = { incarnation: "own", host: null, port: null }

it("a round ends the threads of a caller without a row, and fences the threads of a lost runner", () =>
  withStore((store) =>
    Effect.gen(function* () {
      const { calls, threads } = stub("c")
      yield* store.claim({ id: "t", task: "T", name: "t", caller: "c", runner: "other" })
      yield* new Rounds(store, threads, runner, 1000).look
      yield* Effect.yieldNow
      expect(calls).toEqual(["orphan"])
      expect(yield* store.row("t")).toMatchObject({ state: "killed", token: 2 })
    })
  ))

it("a round judges nobody for a while after a jump of the store's clock, because no member has renewed its row", () =>
  withStore((store) =>
    Effect.gen(function* () {
      const { calls, threads } = stub("c")
      const rounds = new Rounds(store, threads, runner, 60_000)
      yield* MemberStore.renew(store, { id: "c", kind: "caller", address: null }, 60_000)
      yield* MemberStore.renew(store, { id: "other", kind: "runner", address: null }, 60_000)
      yield* store.claim({ id: "t", task: "T", name: "t", caller: "c", runner: "other" })
      yield* rounds.look
      store.ahead.millis = 3_600_000
      // The rows count as expired now.
      yield* store.sql`UPDATE quiesce_members SET until = 0`
      yield* rounds.look
      yield* rounds.look
      yield* Effect.yieldNow
      expect(calls).toEqual([])
      expect(yield* store.row("t")).toMatchObject({ state: "running" })
    })
  ))

it("a round judges nobody for a while after the store was away, because no member could renew its row", () =>
  withStore((store) =>
    Effect.gen(function* () {
      const { calls, threads } = stub("c")
      const rounds = new Rounds(store, threads, runner, 60_000)
      yield* MemberStore.renew(store, { id: "c", kind: "caller", address: null }, 1000)
      yield* store.claim({ id: "t", task: "T", name: "t", caller: "c", runner: "other" })
      const clock = yield* Clock.Clock
      const later: Clock.Clock = Object.create(clock, {
        monotonicTimeNanos: { value: Effect.map(clock.monotonicTimeNanos, (nanos) => nanos + 70_000_000_000n) }
      })
      yield* MemberStore.renew(store, { id: "other", kind: "runner", address: null }, 1000)
      yield* rounds.look
      store.ahead.millis = 70_000
      yield* store.sql`UPDATE quiesce_members SET until = 0`
      yield* Effect.provideService(rounds.look, Clock.Clock, later)
      yield* Effect.yieldNow
      expect(calls).toEqual([])
      expect(yield* store.row("t")).toMatchObject({ state: "running" })
    })
  ))

it("a round ends the threads of this runner that were killed in the store", () =>
  withStore((store) =>
    Effect.gen(function* () {
      const { calls, threads } = stub("c")
      yield* MemberStore.renew(store, { id: "c", kind: "caller", address: null }, 60_000)
      yield* store.claim({ id: "t", task: "T", name: "t", caller: "c", runner: "own" })
      yield* store.kill("t", JSON.stringify(CancelReason.interrupted()))
      yield* new Rounds(store, threads, runner, 1000).look
      yield* Effect.yieldNow
      expect(calls).toEqual(["fenced t"])
    })
  ))
