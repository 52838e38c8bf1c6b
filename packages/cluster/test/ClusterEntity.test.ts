/** An entity of a program, in a process of its own, called by the client of this package. */
import * as NodeClusterSocket from "@effect/platform-node/NodeClusterSocket"
import { ClusterEntity } from "@quiesce/cluster"
import { CancelReason, Thread } from "@quiesce/core"
import { Effect, Exit, Layer, Option, Stream } from "effect"
import { expect, it } from "vitest"
import { Better, Counter } from "./fixtures/counter.ts"
import { Cluster } from "./fixtures/processes.ts"
import { storeOf } from "./fixtures/store.ts"

const engineOf = (filename: string) =>
  NodeClusterSocket.layer({
    clientOnly: true,
    storage: "sql",
    shardingConfig: { runnerAddress: Option.none() }
  }).pipe(Layer.provide(storeOf(filename)))

const calling = <A, E>(
  cluster: Cluster,
  entity: typeof Counter,
  use: (counter: ReturnType<Effect.Success<typeof Counter.client>>) => Effect.Effect<A, E, import("effect").Scope.Scope>
): Promise<A> =>
  ClusterEntity.client(entity).pipe(
    Effect.flatMap((counterOf) => use(counterOf("a"))),
    Effect.scoped,
    Effect.provide(engineOf(cluster.filename)),
    Effect.runPromise
  )

const enough = CancelReason.interrupted({ message: "enough" })

const interrupted = (cluster: Cluster, entity: typeof Counter, reason = enough) =>
  calling(cluster, entity, (counter) =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(counter.Hold({ file: cluster.log, releaseMillis: 300 }))
      yield* cluster.whenLogged("hold")
      yield* Thread.interrupt(thread, { reason })
      const events = cluster.events
      return { events, exit: yield* Thread.await(thread) }
    })
  )

it("ClusterEntity.client returns values, errors and streams, and its interrupt passes the reason to the finalizers and waits for them", async () => {
  await using cluster = new Cluster()
  await cluster.startEntity("better")
  await calling(cluster, Better, (counter) =>
    Effect.gen(function* () {
      expect(yield* counter.Add({ a: 1, b: 2 })).toBe(3)
      expect(yield* Effect.exit(counter.Fail())).toEqual(Exit.fail("no"))
      expect(yield* Stream.runCollect(counter.Numbers())).toEqual([1, 2, 3])
    })
  )
  const { events, exit } = await interrupted(cluster, Better)
  expect(events).toEqual(["hold", "release enough"])
  expect(Option.map(CancelReason.fromExit(exit), ({ message }) => message)).toEqual(Option.some("enough"))
})

it("ClusterEntity.client without ClusterEntity.from waits for the finalizers of handlers that the engine serves", async () => {
  await using cluster = new Cluster()
  await cluster.startEntity("bare")
  const { events } = await interrupted(cluster, Counter)
  expect(events).toEqual(["hold", expect.stringMatching(/^release Interrupted by fiber/)])
})

it("ClusterEntity.client sends the reason of a signal that lacks the field of its tag", async () => {
  await using cluster = new Cluster()
  await cluster.startEntity("better")
  const reason = CancelReason.fromUnknown({ _tag: "TimedOut", message: "late" })
  const { events } = await interrupted(cluster, Better, reason)
  expect(events).toEqual(["hold", `release ${reason.message}`])
})

it("ClusterEntity.client stops waiting for a frozen runner after waitAtMost", async () => {
  await using cluster = new Cluster()
  const runner = await cluster.startEntity("better")
  const engine = engineOf(cluster.filename)
  await Effect.gen(function* () {
    const counterOf = yield* ClusterEntity.client(Better, { waitAtMost: "600 millis" })
    const thread = yield* Thread.spawn(counterOf("a").Hold({ file: cluster.log, releaseMillis: 0 }))
    yield* cluster.whenLogged("hold")
    runner.process.kill("SIGSTOP")
    yield* Thread.interrupt(thread)
    expect(cluster.events).toEqual(["hold"])
    runner.process.kill("SIGCONT")
  }).pipe(Effect.scoped, Effect.provide(engine), Effect.runPromise)
})
