/** A client scans for threads that no runner has reported as started, with an engine that does not answer. */
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Thread } from "@quiesce/core"
import { Effect, Exit, type Fiber, Layer, type Scope, Stream } from "effect"
import * as Rpc from "effect/rpc/Rpc"
import { SqlClient } from "effect/sql/SqlClient"
import { expect, it } from "vitest"
import { LiveThreads } from "../src/internal/client/liveThreads.ts"
import { LostRunners } from "../src/internal/client/lostRunners.ts"
import { RemoteThread } from "../src/internal/client/remoteThread.ts"
import type { ThreadClient } from "../src/internal/client/threadClient.ts"
import { UnstartedThreads, type Watch } from "../src/internal/client/unstarted.ts"
import * as MemberStore from "../src/internal/store/memberStore.ts"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import * as ThreadStore from "../src/internal/store/threadStore.ts"
import { Calm } from "../src/internal/watch/calm.ts"
import * as Outcome from "../src/internal/wire/outcome.ts"
import type { ThreadEvent } from "../src/internal/wire/protocol.ts"

const wire = Outcome.of(Rpc.make("T", {}))

type Start = Effect.Effect<ReadonlyArray<ThreadEvent>>

/** A client whose calls of `Start` have the given answers, one after another. `asked` has the ids of the calls. */
const client = (answers: ReadonlyArray<Start>) =>
  Effect.gen(function* () {
    const store = yield* Effect.flatMap(ThreadStore.open, () =>
      Effect.map(SqlClient, (sql) => new ThreadStore.ThreadStore(sql))
    )
    const watched: Array<string> = []
    const watch: Watch = {
      add: ({ host, incarnation, port }) => watched.push(`add ${incarnation} at ${host}:${port}`),
      remove: ({ incarnation }) => watched.push(`remove ${incarnation}`)
    }
    const unstarted = new UnstartedThreads(store, new LostRunners(store, undefined, yield* Calm.make(store)), watch)
    const asked: Array<string> = []
    const calls = (id: string) => ({
      Start: () => Effect.suspend(() => answers[asked.push(id) - 1] ?? Effect.never),
      Run: () => Stream.never
    })
    const shared = {
      store,
      caller: "c",
      startWithin: Infinity,
      // The threads of these tests make no other calls.
      clientOf: (id: string) => calls(id) as unknown as ThreadClient,
      fork: (effect: Effect.Effect<unknown>): Fiber.Fiber<unknown> => Effect.runFork(effect),
      watch: () => {},
      unwatch: () => {},
      unstarted,
      live: new LiveThreads()
    }
    const spawn = ThreadAdapter.spawn<unknown, unknown, never, never>((cell) =>
      Effect.sync(() => {
        const remote = new RemoteThread(cell, { name: "t", payload: "null", onLoss: "killed" }, wire, shared)
        remote.begin()
        return remote
      })
    )
    return { asked, spawn, store, watched, look: unstarted.look }
  })

const run = <A, E>(test: Effect.Effect<A, E, SqlClient | Scope.Scope>): Promise<A> =>
  Effect.runPromise(test.pipe(Effect.scoped, Effect.provide(SqliteClient.layer(":memory:").pipe(Layer.fresh))))

const ended = Effect.map(wire.encodeExit(Exit.void, []), (outcome): ReadonlyArray<ThreadEvent> => [
  { _tag: "Ended", outcome }
])

it("a thread without a row after three scans is started again, because the engine may never answer its first call", () =>
  run(
    Effect.gen(function* () {
      const { asked, look, spawn } = yield* client([Effect.never, ended])
      const thread = yield* spawn
      // The first scan only records the thread.
      for (let looks = 0; looks < 3; looks++) yield* look
      expect(asked).toHaveLength(1)
      yield* look
      expect(asked).toHaveLength(2)
      expect(asked[1]).toBe(asked[0])
      expect(yield* Thread.await(thread)).toEqual(Exit.void)
    })
  ))

it("a start without an answer is repeated at growing intervals, so that many such starts don't add to the load of a runner", () =>
  run(
    Effect.gen(function* () {
      const { asked, look, spawn, store } = yield* client([])
      const thread = yield* spawn
      const repeated: Array<number> = []
      for (let looks = 0; looks <= 24; looks++) {
        const before = asked.length
        yield* look
        if (asked.length > before) repeated.push(looks)
      }
      expect(repeated).toEqual([3, 6, 12, 24])
      expect(asked).toHaveLength(5)
      yield* store.claim({ id: asked[0]!, task: "T", name: "t", caller: "c", runner: "slow" })
      yield* store.kill(asked[0]!, JSON.stringify({ _tag: "Interrupted" }))
      yield* look
      expect(Exit.hasInterrupts(yield* Thread.await(thread))).toBe(true)
    })
  ))

it("a thread with a row is not started again, because its runner may be slow", () =>
  run(
    Effect.gen(function* () {
      const { asked, look, spawn, store } = yield* client([])
      const thread = yield* spawn
      yield* store.claim({ id: asked[0]!, task: "T", name: "t", caller: "c", runner: "slow" })
      for (let looks = 0; looks < 10; looks++) yield* look
      expect(asked).toHaveLength(1)
      yield* store.kill(asked[0]!, JSON.stringify({ _tag: "Interrupted" }))
      yield* look
      expect(Exit.hasInterrupts(yield* Thread.await(thread))).toBe(true)
    })
  ))

it("the runner that has claimed a thread is watched until the thread settles", () =>
  run(
    Effect.gen(function* () {
      const { asked, look, spawn, store, watched } = yield* client([])
      const thread = yield* spawn
      yield* look
      yield* store.claim({ id: asked[0]!, task: "T", name: "t", caller: "c", runner: "slow" })
      yield* look
      // A runner without a row has no address.
      expect(watched).toEqual([])
      yield* MemberStore.renew(store, { id: "slow", kind: "runner", address: "host:4501" }, 60_000)
      yield* look
      yield* look
      expect(watched).toEqual(["add slow at host:4501"])
      yield* store.kill(asked[0]!, JSON.stringify({ _tag: "Interrupted" }))
      yield* look
      expect(Exit.hasInterrupts(yield* Thread.await(thread))).toBe(true)
      expect(watched).toEqual(["add slow at host:4501", "remove slow"])
    })
  ))
