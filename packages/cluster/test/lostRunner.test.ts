/** The fences of dead runners, with a store in memory and a stub of the engine's record. */
import { Effect, Layer } from "effect"
import type { RunnerStorage } from "effect/cluster/RunnerStorage"
import { SqlClient } from "effect/sql/SqlClient"
import { expect, it } from "vitest"
import * as MemberStore from "../src/internal/store/memberStore.ts"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import * as ThreadStore from "../src/internal/store/threadStore.ts"
import { fenceFormer, fenceRunner } from "../src/internal/watch/lostRunner.ts"
import { addressOf, type RunnerId } from "../src/internal/wire/runnerId.ts"

const run = <A, E>(test: (store: ThreadStore.ThreadStore) => Effect.Effect<A, E>): Promise<A> =>
  Effect.gen(function* () {
    yield* ThreadStore.open
    return yield* test(new ThreadStore.ThreadStore(yield* SqlClient))
  }).pipe(Effect.provide(SqliteClient.layer(":memory:").pipe(Layer.fresh)), Effect.runPromise)

const runner = (incarnation: string, port: number): RunnerId => ({ incarnation, host: "here", port })

const entered = (store: ThreadStore.ThreadStore, member: RunnerId) =>
  MemberStore.renew(store, { id: member.incarnation, kind: "runner", address: addressOf(member) }, 60_000)

const names = (store: ThreadStore.ThreadStore) =>
  Effect.map(MemberStore.live(store, "runner"), (members) => members.map(({ id }) => id))

/** Records the notifications to the engine. */
const engine = () => {
  const calls: Array<string> = []
  const record = (call: string) => Effect.sync(() => void calls.push(call))
  const stub: Pick<RunnerStorage["Service"], "setRunnerHealth" | "releaseAll"> = {
    setRunnerHealth: ({ port }, healthy) => record(`health of ${port}: ${healthy}`),
    releaseAll: ({ port }) => record(`locks of ${port}`)
  }
  // A fence uses only these members.
  return { calls, engine: { runners: stub as RunnerStorage["Service"], hasTableLocks: true } }
}

it("the engine is notified of a dead runner, and not of a runner that lives again at the same address", () =>
  run((store) =>
    Effect.gen(function* () {
      const { calls, engine: record } = engine()
      yield* entered(store, runner("a", 1))
      yield* entered(store, runner("b", 2))
      yield* entered(store, runner("b again", 2))
      yield* fenceRunner(store, runner("a", 1), record)
      yield* fenceRunner(store, runner("b", 2), record)
      expect(calls).toEqual(["health of 1: false", "locks of 1"])
      expect(yield* names(store)).toEqual(["b again"])
    })
  ))

it("a runner that starts fences only the former runners at its own address", () =>
  run((store) =>
    Effect.gen(function* () {
      yield* entered(store, runner("a", 1))
      yield* entered(store, runner("b", 2))
      yield* fenceFormer(store, runner("a again", 1))
      expect(yield* names(store)).toEqual(["b"])
      yield* fenceFormer(store, { incarnation: "embedded", host: null, port: null })
      expect(yield* names(store)).toEqual(["b"])
    })
  ))
