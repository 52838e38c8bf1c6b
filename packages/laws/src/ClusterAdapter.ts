/**
 * The adapter that runs the laws' programs as threads of an embedded cluster, step by step in virtual time.
 *
 * Each run has a cluster of its own: Effect's engine, a runner, a client and a store in memory. All messages are encoded and
 * decoded as between two machines. The first thread of a program runs at the runner, with the program's other threads beside
 * it. So the cuts also fall into the engine, between the statements of the store, and into requests on their way.
 */
import * as ClusterLease from "@quiesce/cluster/ClusterLease"
import * as ClusterRunner from "@quiesce/cluster/ClusterRunner"
import * as ClusterStore from "@quiesce/cluster/ClusterStore"
import * as ClusterThreads from "@quiesce/cluster/ClusterThreads"
import * as Adapter from "@quiesce/testing/laws/Adapter"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import * as Thread from "@quiesce/core/Thread"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { Bodies, Resource, Tasks } from "./cluster/bodies.ts"

/** The laws that an embedded cluster can't break or keep, each with the reason. */
export const lacks: Adapter.Adapter["lacks"] = {
  "no-signal-leak": "a runner starts each body on a fiber of its own",
  "crash-contained":
    "a crash of a body's JavaScript thread takes the embedded runner and its client down; the cluster's own laws kill runners"
}

/** The bodies of the runner that runs the current fiber; undefined at the client. */
const AtRunner: Context.Reference<Bodies | undefined> = Context.Reference("@quiesce/laws/AtRunner", {
  defaultValue: (): Bodies | undefined => undefined
})

/** Makes an adapter of embedded clusters. A planted fault replaces functions of the subject. */
export const make = (fault: Partial<Subject> = {}): Adapter.Adapter => ({
  ...Adapter.fromSubject("cluster", { ...core, isElsewhere: true, spawn, keep, hasArrived, ...fault }),
  lacks,
  isDelayed: true
})

const spawn: Subject["spawn"] = (effect, options) =>
  Effect.flatMap(AtRunner, (bodies) =>
    bodies === undefined ? spawnAtRunner(effect, options) : core.spawn(effect, options)
  )

const spawnAtRunner: Subject["spawn"] = (effect, options) =>
  Effect.gen(function* () {
    const bodies = new Bodies()
    const cluster = ClusterRunner.embedded(Tasks, {
      keepers: [bodies.keeper],
      // The start of the engine takes no virtual time, so that the model can compute the time of each event.
      sharding: { simulateRemoteSerialization: true, shardsPerGroup: 1, sendRetryInterval: 0 }
    }).pipe(Layer.provide(bodies.handlers), Layer.provideMerge(ClusterStore.sqlite({ filename: ":memory:" })))
    const services = yield* Layer.build(Layer.fresh(cluster))
    const threads = yield* Effect.provideContext(ClusterThreads.make(Tasks), services)
    const body = bodies.add(Effect.provideService(effect, AtRunner, bodies))
    return yield* threads.spawn("Run", { body }, options)
  }).pipe(Effect.provideService(References.MinimumLogLevel, "Error"))

/** A lease of the store, which a keeper releases after a kill. */
const keep: Subject["keep"] = (name, kept) =>
  Effect.flatMap(AtRunner, (bodies) =>
    bodies === undefined ? core.keep(name, kept) : ClusterLease.acquire(Resource, bodies.keep(kept))
  )

/** A request is on its way until the thread at the runner has it. The handle of the client shows the request at once. */
const hasArrived: Subject["hasArrived"] = Effect.map(Thread.current, ({ signal }) => signal.aborted)
