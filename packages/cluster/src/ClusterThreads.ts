/**
 * Threads that run on the runners of a cluster. The handle is core's `Thread`: it can be joined, stopped, raised into,
 * interrupted, killed and shut down with a report, wherever its body runs.
 *
 * @since 0.1.0
 */
import * as ThreadAdapter from "@quiesce/core/adapter"
import { textOf } from "@quiesce/core/internal"
import type * as Escalation from "@quiesce/core/Escalation"
import type * as Thread from "@quiesce/core/Thread"
import type { Sharding } from "effect/cluster/Sharding"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import type * as Scope from "effect/Scope"
import * as ClusterError from "./ClusterError.ts"
import type * as ClusterStore from "./ClusterStore.ts"
import { escalationOf, limitOf } from "./internal/limit.ts"
import { checkedOptions, problemOfOptions } from "./internal/wrongArgument.ts"
import * as Caller from "./internal/client/caller.ts"
import { RemoteThread } from "./internal/client/remoteThread.ts"
import * as Group from "./internal/wire/group.ts"

/**
 * Options of the threads of one client.
 *
 * - `escalation`: how a thread ends with its scope, unless its own options say otherwise
 * - `startWithin`: how long a thread may wait for a runner (default: 1 minute). Then it fails with `NoRunner` and never
 *   starts
 * - `timeToLive`: how long this process may be silent before the runners end its threads with the reason `ParentEnded`
 *   (default: 15 seconds). An absence of the store does not count, unless this is less than 3 seconds
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly escalation?: Escalation.Escalation | undefined
  readonly startWithin?: Duration.Input | undefined
  readonly timeToLive?: Duration.Input | undefined
}

/**
 * Options of one thread: those of every thread, and `onLoss`, for a thread whose runner is gone (reason `Lost`) or gives its
 * threads up (reason `Moved`).
 *
 * - `killed` (default): the thread ends. Its body has started at most once
 * - `rerun`: the body starts again at another runner, unless the thread was asked to end. It starts after the resources of
 *   all `ClusterLease`s of the former start are released, or fails with `NotReleased` if that takes longer than
 *   `startWithin`. The other leases of the former start are in the report, as lost if nobody released them. The former body
 *   writes no more through `Fence.check`
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface SpawnOptions extends Thread.SpawnOptions {
  readonly onLoss?: "killed" | "rerun" | undefined
}

type Tagged<Rpcs extends Rpc.Any, Tag extends Rpcs["_tag"]> = Rpc.ExtractTag<Rpcs, Tag>

/** The arguments after the task. A payload that may be undefined can be left out. */
type Args<Payload> = undefined extends Payload
  ? [payload?: Payload, options?: SpawnOptions]
  : [payload: Payload, options?: SpawnOptions]

/**
 * Starts threads of the tasks `Rpcs` on the runners of a cluster.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ClusterThreads<Rpcs extends Rpc.Any> {
  /**
   * Starts a task as a thread in the current scope. The thread is `Queued` until a runner has started it. A body starts at
   * most once, unless `onLoss` says otherwise: if its runner dies, the thread ends as killed, and is not started again.
   *
   * Fails with `NotSendable` if the payload does not fit its Schema. The thread fails with `ClusterError` if no runner starts
   * it in time, or if the runner does not know the task or can't read the payload.
   *
   * *Cancellation*: either no thread exists, or the thread is in its scope and ends with the scope, by its escalation. An
   * interrupt waits for the finalizers of the thread, at the other machine.
   */
  readonly spawn: <const Tag extends Rpcs["_tag"]>(
    task: Tag,
    ...args: Args<Rpc.PayloadConstructor<Tagged<Rpcs, Tag>>>
  ) => Effect.Effect<
    Thread.Thread<Rpc.SuccessExit<Tagged<Rpcs, Tag>>, Rpc.ErrorExit<Tagged<Rpcs, Tag>> | ClusterError.ClusterError>,
    ClusterError.ClusterError,
    Scope.Scope
  >
}

/**
 * The threads of a group, as in `ClusterThreads.Of<typeof Tasks>`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Of<Group extends RpcGroup.Any> = ClusterThreads<RpcGroup.Rpcs<Group>>

/**
 * The escalation of a thread without an escalation of its own.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const defaultEscalation: Escalation.Escalation = {
  interrupt: "10 seconds",
  unwind: "2 seconds",
  kill: "2 seconds"
}

/**
 * Makes a client of the cluster in the current scope. When the scope closes, the threads of the client end by their
 * escalations, also the threads in other scopes. A later `spawn` gives a thread that has ended and never starts.
 *
 * Dies with `InvalidOption`, also for a group with streams or middleware.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options = {}
): Effect.Effect<ClusterThreads<Rpcs>, ClusterError.ClusterError, Sharding | ClusterStore.ClusterStore | Scope.Scope> =>
  Effect.gen(function* () {
    yield* checkedOptions("ClusterThreads.make", options)
    const startWithin = yield* limitOf("startWithin", options.startWithin ?? "1 minute")
    const timeToLive = yield* limitOf("timeToLive", options.timeToLive ?? "15 seconds")
    const escalation = yield* escalationOf(options.escalation ?? defaultEscalation)
    const wires = yield* Group.wiresOf(group)
    const caller = yield* Caller.make({ startWithin, timeToLive })
    const spawn = (task: string, payload: unknown, given: SpawnOptions = {}) => {
      const refused = problemOfOptions("spawn", given)
      if (refused !== undefined) return Effect.die(refused)
      const { onLoss = "killed", ...spawnOptions } = given
      const wire = wires.get(task)
      if (wire === undefined) return invalid(noSuchTask(task))
      if (onLoss !== "killed" && onLoss !== "rerun") return invalid(noSuchEnd(onLoss))
      return Effect.flatMap(wire.encodePayload(payload), (encoded) =>
        ThreadAdapter.spawn<unknown, unknown, never, never>(
          (thread) =>
            Effect.sync(() => {
              const remote = new RemoteThread(thread, { name: thread.name, payload: encoded, onLoss }, wire, caller)
              remote.begin()
              return remote
            }),
          { escalation, name: task, ...spawnOptions }
        )
      )
    }
    // The types of the tasks are those of the group.
    return { spawn } as unknown as ClusterThreads<Rpcs>
  })

interface Mistake {
  readonly option: string
  readonly problem: string
}

const invalid = (mistake: Mistake): Effect.Effect<never> =>
  Effect.die(ClusterError.make({ _tag: "InvalidOption", ...mistake }))

const noSuchEnd = (given: never): Mistake => ({
  option: "onLoss",
  problem: `it is ${textOf(given)}. Give "killed" or "rerun".`
})

const noSuchTask = (task: string): Mistake => ({
  option: "task",
  problem: `the group has no task ${textOf(task)}. Give a name of the group.`
})
