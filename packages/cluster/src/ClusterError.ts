/**
 * The errors of this package: the problem, the likely cause and the remedy.
 *
 * @since 0.1.0
 */
import { readOr } from "@quiesce/core/internal"
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"

/**
 * The kinds of the error.
 *
 * A correct program must expect:
 * - `NoRunner`: no runner has started the thread within the limit. The thread will never start
 * - `NotReleased`: with `onLoss: "rerun"`, the leases of the former start were not released within the limit. The thread
 *   does not start again
 * - `StoreUnavailable`: the store did not answer, or refused a statement
 * - `NotSendable`: the payload, or a result, does not fit its Schema
 * - `KeeperFailed`: a keeper could not acquire a lease
 * - `FencedOff`: the thread was killed, and writes no more
 *
 * The others are mistakes in the set-up of a cluster:
 * - `NotInThread`: a lease or a checked write outside a thread of a cluster
 * - `NoSqlClient`: a checked write in a worker without a client of the database
 * - `NoKeeper`: the runner has no keeper for a lease
 * - `PoolFailed`: a runner could not start its worker pool
 * - `NotListening`: a runner could not open the port of its address
 * - `UnknownTask`: the runner that got the thread has no handler for its task
 * - `WrongVersion`: the store was made by another version of this package
 * - `InvalidOption`: an option can't be used as given
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ClusterErrorReason =
  | { readonly _tag: "NoRunner"; readonly task: string; readonly millis: number }
  | {
      readonly _tag: "NotReleased"
      readonly task: string
      /** The names of the leases. */
      readonly leases: ReadonlyArray<string>
      readonly millis: number
    }
  | { readonly _tag: "StoreUnavailable"; readonly operation: string; readonly problem: string }
  | { readonly _tag: "NotSendable"; readonly task: string; readonly problem: string }
  | { readonly _tag: "FencedOff"; readonly thread: string; readonly token: number }
  | { readonly _tag: "KeeperFailed"; readonly lease: string; readonly problem: string }
  | { readonly _tag: "PoolFailed"; readonly problem: string }
  | { readonly _tag: "NotListening"; readonly address: string; readonly problem: string }
  | { readonly _tag: "NotInThread"; readonly operation: string }
  | { readonly _tag: "NoSqlClient"; readonly operation: string }
  | { readonly _tag: "InTransaction"; readonly lease: string }
  | { readonly _tag: "NoKeeper"; readonly lease: string }
  | { readonly _tag: "UnknownTask"; readonly task: string; readonly runner: string }
  | { readonly _tag: "WrongVersion"; readonly found: number; readonly expected: number }
  | { readonly _tag: "InvalidOption"; readonly option: string; readonly problem: string }

const Base: new (fields: { readonly reason: ClusterErrorReason }) => Cause.YieldableError & {
  readonly _tag: "ClusterError"
  readonly reason: ClusterErrorReason
} = /* @__PURE__ */ Data.TaggedError("ClusterError")

/**
 * The error of this package. `reason._tag` names the case; `message` has the problem, the likely cause and the remedy.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class ClusterError extends Base {
  override get message(): string {
    return explain(this.reason)
  }

  /** The printed form, also for `console.log`. */
  override toJSON(): unknown {
    return { _tag: this._tag, message: this.message, reason: this.reason }
  }
}

/**
 * Makes a `ClusterError` from its reason.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: ClusterErrorReason): ClusterError => new ClusterError({ reason })

/**
 * Whether a value is a `ClusterError`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isClusterError = (u: unknown): u is ClusterError => readOr(() => u instanceof ClusterError, false)

const explain = (reason: ClusterErrorReason): string => {
  switch (reason._tag) {
    case "NoRunner":
      return `No runner has started a thread of the task "${reason.task}" within ${reason.millis} ms, and none will start it now. Probably no runner is up, or none is reachable from here. Start a runner with ClusterRunner.layer on the same store, or raise startWithin.`
    case "NotReleased":
      return `A thread of the task "${reason.task}" did not start again, because leases of its former start were not released within ${reason.millis} ms: ${reason.leases.join(", ")}. Probably their keepers fail or hang, or no runner has them. Look for the logged errors of the releases, or raise startWithin.`
    case "StoreUnavailable":
      return `The store did not ${reason.operation}: ${reason.problem}. Look whether the database is up and whether this process may write to it.`
    case "NotSendable":
      return `A value of the task "${reason.task}" can't be sent: ${reason.problem}. Give what the task's Schema says.`
    case "FencedOff":
      return `The thread ${reason.thread} may not write any more: it was killed, so that its token ${reason.token} is out of date. Let the body end.`
    case "KeeperFailed":
      return `The keeper of the lease "${reason.lease}" could not acquire it: ${reason.problem}`
    case "PoolFailed":
      return `The runner could not start its worker pool: ${reason.problem}`
    case "NotListening":
      return `The runner can't listen on ${reason.address}: ${reason.problem}. Probably another runner has this address, or it is none of this machine. Give each runner a sharding.runnerAddress of its own; where others reach it at another address, give runnerListenAddress, too.`
    case "NotInThread":
      return `${reason.operation} was called outside a thread of a cluster. Call it in the handler of a task that a runner runs. If this is such a handler in a worker of a pool, give the runner a keeper of that lease.`
    case "NoSqlClient":
      return `${reason.operation} found no SqlClient. In a worker of a pool, provide the handlers with a client of the cluster's database, such as by ClusterStore.sqlite.`
    case "InTransaction":
      return `The lease "${reason.lease}" was not acquired, because the current fiber is in a transaction of the cluster's database. If this machine died, the row of the lease would be rolled back with the transaction, and nobody would release the resource. Acquire the lease before the transaction, or before Fence.check.`
    case "NoKeeper":
      return `This runner has no keeper for the lease "${reason.lease}". Give ClusterRunner the keeper in its option keepers.`
    case "UnknownTask":
      return `The runner ${reason.runner} has no handler for the task "${reason.task}". Probably it runs an older version of the program. Deploy the runners before the clients, or give the runner a handler of that name.`
    case "WrongVersion":
      return `The store has tables of version ${reason.found}, and this package needs version ${reason.expected}. Use the version of @quiesce/cluster that made the store, or a store of its own.`
    case "InvalidOption":
      return `The option ${reason.option} can't be used: ${reason.problem}`
  }
}
