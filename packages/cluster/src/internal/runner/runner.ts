/**
 * A runner: its threads, its row in the store, and its rounds. A round looks for callers that are gone, for runners that
 * are gone, and for rows that nobody needs.
 */
import { hostname } from "node:os"
import type * as CancelReason from "@quiesce/core/CancelReason"
import type * as Escalation from "@quiesce/core/Escalation"
import { logUnhandled } from "@quiesce/core/internal"
import type { Sharding } from "effect/cluster/Sharding"
import { ShardingConfig } from "effect/cluster/ShardingConfig"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ClusterError } from "../../ClusterError.ts"
import type { Keepers } from "../lease/keepers.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
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
  readonly bodies: Bodies
  readonly keepers: Keepers
  readonly wires: ReadonlyMap<string, Outcome.TaskWire>
  readonly escalation: Escalation.Escalation
  /** In milliseconds. */
  readonly timeToLive: number
  /** The reason of the threads that run at the end of the scope. */
  readonly shutdown: CancelReason.CancelReason
}

/** Where the clients find a runner: at the engine's address, or in their own process. */
export type Where = "address" | "process"

/** The identity of a runner that starts now. */
export const identify = (where: Where): Effect.Effect<RunnerId, never, ShardingConfig> =>
  Effect.map(ShardingConfig, ({ runnerAddress }) => {
    const address = where === "address" ? Option.getOrUndefined(runnerAddress) : undefined
    const name = address === undefined ? `${hostname()}-${process.pid}` : `${address.host}-${address.port}`
    return {
      incarnation: `runner-${name}-${crypto.randomUUID()}`,
      host: address?.host ?? null,
      port: address?.port ?? null
    }
  })

/** Runs threads until the end of the scope. */
export const make = (options: Options): Effect.Effect<void, ClusterError, Sharding | Scope.Scope> =>
  Effect.gen(function* () {
    const { runner, store } = options
    const millis = options.timeToLive
    const context = yield* Effect.context<never>()
    const member = { id: runner.incarnation, kind: "runner", address: addressOf(runner) } as const
    yield* Effect.acquireRelease(MemberStore.renew(store, member, millis), () =>
      Effect.ignore(MemberStore.remove(store, member.id))
    )
    const threads = new RunnerThreads({ ...options, context })
    const rounds = new Rounds(store, threads, runner, millis)
    const peers = yield* Peers.make(store, runner)
    const log = (error: ClusterError) =>
      Effect.sync(() => logUnhandled(context, { id: 0, name: nameOf(runner) }, error.message))
    const repeated = (every: number, effect: Effect.Effect<void, ClusterError>) =>
      Effect.forkScoped(
        Effect.forever(Effect.andThen(Effect.catchTag(effect, "ClusterError", log), Effect.sleep(every)))
      )
    yield* repeated(millis / 3, MemberStore.renew(store, member, millis))
    yield* repeated(roundMillis, Effect.andThen(rounds.look, peers))
    yield* repeated(reapMillis, options.keepers.reap)
    const forget = Effect.andThen(store.forget(retentionMillis), MemberStore.forget(store, retentionMillis))
    yield* repeated(forgetMillis, forget)
    yield* Layer.build(ThreadHandlers.layer(threads))
    // Runs before the engine leaves the entities, which would end their threads as moved.
    yield* Effect.addFinalizer(() => threads.drain(options.shutdown))
  })

/** The pause between two looks for callers and runners that are gone. */
const roundMillis = 1000

/** The pause between two looks for leases without a thread. */
const reapMillis = 500

/** The rows of ended threads and of expired members are kept for a client that was away. */
const retentionMillis = 3_600_000
const forgetMillis = 60_000
