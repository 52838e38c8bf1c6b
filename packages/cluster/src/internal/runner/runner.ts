/**
 * A runner: its threads, its row in the store, and its rounds. A round looks for callers that are gone, for runners that
 * are gone, and for rows that nobody needs.
 */
import { hostname } from "node:os"
import * as CancelReason from "@quiesce/core/CancelReason"
import type * as Escalation from "@quiesce/core/Escalation"
import { logUnhandled } from "@quiesce/core/internal"
import { Sharding } from "effect/cluster/Sharding"
import { ShardingConfig } from "effect/cluster/ShardingConfig"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as ClusterError from "../../ClusterError.ts"
import type { Keepers } from "../lease/keepers.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import { Calm, pauseFor } from "../watch/calm.ts"
import { fenceFormer } from "../watch/lostRunner.ts"
import type * as Outcome from "../wire/outcome.ts"
import { addressOf, nameOf, type RunnerId } from "../wire/runnerId.ts"
import type { Bodies } from "./bodies.ts"
import * as Peers from "./peers.ts"
import { Rounds } from "./rounds.ts"
import { RunnerThreads } from "./runnerThreads.ts"
import * as ThreadHandlers from "./threadHandlers.ts"

export interface Options {
  readonly store: ThreadStore
  readonly runner: RunnerId
  readonly where: Where
  readonly bodies: Bodies
  readonly keepers: Keepers
  readonly wires: ReadonlyMap<string, Outcome.TaskWire>
  readonly escalation: Escalation.Escalation
  /** In milliseconds. */
  readonly timeToLive: number
}

/**
 * Where the clients find a runner: at the engine's address, or in their own process. `port` is the engine's address, where
 * this process listens already.
 */
export type Where = "port" | "address" | "process"

/** The identity of a runner that starts now. Dies with `InvalidOption` if the engine has no address. */
export const identify = (where: Where): Effect.Effect<RunnerId, never, ShardingConfig> =>
  Effect.flatMap(ShardingConfig, ({ runnerAddress }) => {
    // The engine would take this process for a client, and send no threads.
    if (Option.isNone(runnerAddress)) return Effect.die(noAddress)
    const address = where === "process" ? undefined : runnerAddress.value
    const name = address === undefined ? `${hostname()}-${process.pid}` : `${address.host}-${address.port}`
    return Effect.succeed({
      incarnation: `runner-${name}-${crypto.randomUUID()}`,
      host: address?.host ?? null,
      port: address?.port ?? null
    })
  })

const noAddress = ClusterError.make({
  _tag: "InvalidOption",
  option: "sharding.runnerAddress",
  problem: "a runner without an address gets no threads. Give the address at which clients and other runners reach it."
})

/** Runs threads until the end of the scope. */
export const make = (options: Options): Effect.Effect<void, ClusterError.ClusterError, Sharding | Scope.Scope> =>
  Effect.gen(function* () {
    const { runner, store } = options
    const millis = options.timeToLive
    yield* occupied(yield* Sharding)
    const context = yield* Effect.context<never>()
    const member = { id: runner.incarnation, kind: "runner", address: addressOf(runner) } as const
    // No other process listens at the port of this one.
    if (options.where === "port") yield* fenceFormer(store, runner)
    yield* Effect.acquireRelease(MemberStore.renew(store, member, millis), () =>
      Effect.ignore(MemberStore.remove(store, member.id))
    )
    const threads = new RunnerThreads({ ...options, context })
    const calm = yield* Calm.make(store)
    const rounds = new Rounds(store, threads, runner, calm)
    const peers = yield* Peers.make(store, runner)
    const log = (error: ClusterError.ClusterError) =>
      Effect.sync(() => logUnhandled(context, { id: 0, name: nameOf(runner) }, error.message))
    // After an absence, the store must soon know of this runner again.
    const repeated = (every: number, effect: Effect.Effect<void, ClusterError.ClusterError>) =>
      Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            Effect.retry(Effect.tapError(effect, log), Schedule.spaced(Math.min(every, roundMillis))),
            Effect.sleep(every)
          )
        )
      )
    const renew = calm.renew(member, millis)
    yield* repeated(pauseFor(millis), renew)
    // A client without a connection may have removed the row of this runner.
    const enterAgain = Effect.flatMap(peers, (isEntered) => (isEntered ? Effect.void : renew))
    yield* repeated(roundMillis, Effect.andThen(rounds.look, enterAgain))
    yield* repeated(reapMillis, options.keepers.reap)
    const forget = Effect.andThen(store.forget(retentionMillis), MemberStore.forget(store, retentionMillis))
    yield* repeated(forgetMillis, forget)
    yield* Layer.build(ThreadHandlers.layer(threads, nameOf(runner)))
    // Runs before the engine leaves the entities, which would end their threads as moved.
    yield* Effect.addFinalizer(() => Effect.flatMap(leaving(store, runner), (reason) => threads.drain(reason)))
  })

/** The engines that have a runner. */
const engines = new WeakSet<Sharding["Service"]>()

/** An engine takes the handlers of one runner, and leaves out those of a second. */
const occupied = (engine: Sharding["Service"]): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.suspend(() => (engines.has(engine) ? Effect.die(secondGroup) : Effect.sync(() => void engines.add(engine)))),
    () => Effect.sync(() => engines.delete(engine))
  )

const secondGroup = ClusterError.make({
  _tag: "InvalidOption",
  option: "group",
  problem:
    "the engine of this process runs the threads of another group already, and takes one group. Make one group of both, by GroupA.merge(GroupB)."
})

/** The reason of the threads of a runner that ends: other runners may live on, and take such threads again. */
const leaving = (store: ThreadStore, runner: RunnerId): Effect.Effect<CancelReason.CancelReason> => {
  const message = "The runner shuts down"
  const shutdown = CancelReason.shutdown({ message })
  // A runner in the process of its client leaves together with the client.
  if (runner.host === null) return Effect.succeed(shutdown)
  return MemberStore.live(store, "runner").pipe(
    Effect.map((members) =>
      members.some(({ id }) => id !== runner.incarnation) ? CancelReason.moved(nameOf(runner), { message }) : shutdown
    ),
    Effect.timeout(longestLook),
    Effect.orElseSucceed(() => shutdown)
  )
}

/** A store that is away does not delay the end of a runner for longer. */
const longestLook = "1 second"

/** The pause between two looks for callers and runners that are gone. */
const roundMillis = 1000

/** The pause between two looks for leases without a thread. */
const reapMillis = 500

/** The rows of ended threads and of expired members are kept for a client that was away. */
const retentionMillis = 3_600_000
const forgetMillis = 60_000
