/**
 * The one error of this package: the problem of a worker or of data for it, the likely cause and the remedy.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"

/**
 * Why an operation with a worker failed.
 *
 * - `SpawnFailed`: a worker could not be started, or ended before it was ready
 * - `WorkerExited`: the worker ended under its threads: it crashed, ran out of memory or called `process.exit`
 * - `NotSendable`: a payload could not be encoded or cloned; nothing was sent
 * - `BadReply`: the worker's answer does not fit the contract
 * - `QueueFull`: the pool's queue has reached its bound, and the pool is set not to wait
 * - `PoolClosed`: the pool's scope has closed
 * - `WrongKind`: a task with a stream was not called as one, or the other way round
 * - `UnknownTask`: the worker has no handler of that name
 * - `InvalidOption`: an option can't be used as given
 * - `OwnerDied`: the thread that held the lock has died, and the protected data may be inconsistent
 * - `LockUnusable`: a thread that held the lock has died, and the next owner did not declare the data consistent
 * - `LockTimedOut`: synchronous code has reached the timeout of its wait for a lock
 * - `WouldBlockForever`: synchronous code would wait for a lock that its own thread holds or is about to get
 * - `LeaseRefused`: the host does not acquire that lease for this worker, or its answer could not be sent
 * - `BadTaskModule`: a module can't be loaded, or its default export is not a function
 * - `LockFull`: a lock has no room for more threads or requests
 *
 * @category models
 * @since 0.1.0
 */
export type WorkerErrorReason =
  | { readonly _tag: "SpawnFailed"; readonly attempts: number; readonly problem: string }
  | { readonly _tag: "WorkerExited"; readonly code: number | null; readonly problem: string }
  | { readonly _tag: "NotSendable"; readonly task: string; readonly problem: string }
  | { readonly _tag: "BadReply"; readonly task: string; readonly problem: string }
  | { readonly _tag: "QueueFull"; readonly bound: number }
  | { readonly _tag: "PoolClosed" }
  | { readonly _tag: "WrongKind"; readonly task: string; readonly isStream: boolean }
  | { readonly _tag: "UnknownTask"; readonly task: string }
  | { readonly _tag: "InvalidOption"; readonly option: string; readonly problem: string }
  | { readonly _tag: "OwnerDied"; readonly lock: string; readonly threadId: number }
  | { readonly _tag: "LockUnusable"; readonly lock: string; readonly threadId: number }
  | { readonly _tag: "LockTimedOut"; readonly lock: string; readonly millis: number }
  | { readonly _tag: "WouldBlockForever"; readonly lock: string }
  | { readonly _tag: "LeaseRefused"; readonly lease: string; readonly problem: string }
  | { readonly _tag: "BadTaskModule"; readonly url: string; readonly problem: string }
  | { readonly _tag: "LockFull"; readonly lock: string; readonly problem: string }

const WorkerErrorReason: Schema.Codec<WorkerErrorReason> = Schema.Union([
  Schema.TaggedStruct("SpawnFailed", { attempts: Schema.Number, problem: Schema.String }),
  Schema.TaggedStruct("WorkerExited", { code: Schema.NullOr(Schema.Number), problem: Schema.String }),
  Schema.TaggedStruct("NotSendable", { task: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("BadReply", { task: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("QueueFull", { bound: Schema.Number }),
  Schema.TaggedStruct("PoolClosed", {}),
  Schema.TaggedStruct("WrongKind", { task: Schema.String, isStream: Schema.Boolean }),
  Schema.TaggedStruct("UnknownTask", { task: Schema.String }),
  Schema.TaggedStruct("InvalidOption", { option: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("OwnerDied", { lock: Schema.String, threadId: Schema.Number }),
  Schema.TaggedStruct("LockUnusable", { lock: Schema.String, threadId: Schema.Number }),
  Schema.TaggedStruct("LockTimedOut", { lock: Schema.String, millis: Schema.Number }),
  Schema.TaggedStruct("WouldBlockForever", { lock: Schema.String }),
  Schema.TaggedStruct("LeaseRefused", { lease: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("BadTaskModule", { url: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("LockFull", { lock: Schema.String, problem: Schema.String })
])

type Fields = { readonly reason: typeof WorkerErrorReason }

const Base: Schema.Class<
  WorkerError,
  Schema.TaggedStruct<"WorkerError", Fields>,
  Cause.YieldableError
> = Schema.TaggedError<WorkerError>("@quiesce/worker-threads/WorkerError")("WorkerError", { reason: WorkerErrorReason })

/**
 * The error of this package. `reason._tag` tells the cases apart; `message` has the problem, the likely cause and the
 * remedy.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkerError extends Base {
  override get message(): string {
    return explain(this.reason)
  }

  /** The printed form, also for `console.log`. */
  override toJSON(): unknown {
    return { _tag: this._tag, message: this.message, reason: this.reason }
  }
}

/**
 * Makes a `WorkerError` from its reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: WorkerErrorReason): WorkerError => new WorkerError({ reason })

/** A problem without its full stop, for the middle of a sentence. */
const bare = (problem: string): string => problem.replace(/[.\s]+$/, "")

const explain = (reason: WorkerErrorReason): string => {
  switch (reason._tag) {
    case "SpawnFailed":
      return `The worker could not be started (${reason.attempts} attempts): ${bare(reason.problem)}. Check the worker's URL, what it imports, and that it calls ThreadWorker.main.`
    case "WorkerExited":
      return `The worker ended under its threads${reason.code === null ? "" : ` with code ${reason.code}`}: ${bare(reason.problem)}. Only its own threads are gone and the pool replaces it; run them again if they may be.`
    case "NotSendable":
      return `"${reason.task}" was not sent, because its payload can't cross to a worker: ${bare(reason.problem)}. Send plain data, or give the contract a Schema that encodes to it.`
    case "BadReply":
      return `What the worker answered to "${reason.task}" does not fit the contract: ${bare(reason.problem)}. Host and worker were probably built from different versions of it.`
    case "QueueFull":
      return `All workers are busy and ${reason.bound} tasks wait already, so the task was not taken. Try again later, raise the bound, or let callers wait.`
    case "PoolClosed":
      return `The pool's scope has closed, so the task was not taken. Use the pool within the scope that it was made in.`
    case "WrongKind":
      return reason.isStream
        ? `"${reason.task}" gives a stream, which was not asked for, so it was not started. Use the pool's stream for it.`
        : `"${reason.task}" gives no stream, so it was not started as one. Use the pool's execute, run or spawn for it.`
    case "UnknownTask":
      return `The worker has no handler for "${reason.task}". Host and worker must be given the same RpcGroup.`
    case "InvalidOption":
      return `${reason.option}: ${bare(reason.problem)}.`
    case "OwnerDied":
      return `Thread ${reason.threadId} died while it held "${reason.lock}", so what the lock protects may be half changed, and nothing was done. Give withLock a recover that makes it consistent; until one has, each withLock without it fails like this.`
    case "LockUnusable":
      return `"${reason.lock}" can't be used any more: thread ${reason.threadId} died while it held it, and the next owner let go without having declared consistent what it protects. Set that up afresh, with a new lock; use recover or markConsistent to survive the next death.`
    case "LockTimedOut":
      return `"${reason.lock}" was not to be had within ${reason.millis} ms. The request was withdrawn. Give it more time, or hold the lock for less.`
    case "WouldBlockForever":
      return `This thread holds "${reason.lock}" itself or waits for it in a fiber, which could never let go while synchronous code blocks the thread. Release it first, or wait in the fiber with the Effect instead.`
    case "LeaseRefused":
      return `The host keeps no "${reason.lease}" for this worker: ${bare(reason.problem)}. Give the pool a HostLease.handler for it in hostLeases, and ask from within a task of that pool.`
    case "BadTaskModule":
      return `"${reason.url}" is no module of a task: ${bare(reason.problem)}. Give an absolute URL, as new URL("./task.ts", import.meta.url), of a module whose default export is a function.`
    case "LockFull":
      return `"${reason.lock}" has no room for this request: ${bare(reason.problem)}. Limit how many wait at a time, and see to it that the ends of workers are told with SharedMutex.threadDied.`
  }
}
