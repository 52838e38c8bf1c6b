/**
 * The error of this package: a problem with a worker or with data for a worker, its likely cause and the remedy.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import { errorBase, readOr } from "@quiesce/core/internal"

/**
 * Why an operation with a worker failed.
 *
 * - `SpawnFailed`: a worker could not be started, or ended before it was ready
 * - `WorkerExited`: the worker ended under its threads: it crashed, ran out of memory or called `process.exit`
 * - `NotSendable`: a payload could not be encoded or cloned; nothing was sent
 * - `ResultNotSendable`: the value or the error of a task could not be sent to the host, because it can't be cloned
 * - `BadReply`: the worker's answer does not fit the contract
 * - `QueueFull`: the pool's queue has reached its bound, and the pool is set not to wait
 * - `PoolClosed`: the pool has been drained, or its scope has closed
 * - `WrongKind`: a task with a stream was not called as one, or the other way round
 * - `UnknownTask`: the worker has no handler of that name
 * - `InvalidOption`: an option can't be used as given. A defect, as are `WrongKind` and `UnknownTask`, where a pool or
 *   a lock is made or used
 * - `WouldBlockForever`: synchronous code would wait for a lock that its own thread holds or is about to get. A defect
 * - `NotHeld`: a lock was declared consistent after its release. A defect
 * - `LeaseRefused`: the host does not acquire that lease, because its payload or its value can't be sent or the task has
 *   ended
 * - `UnknownLease`: no pool above has a handler for the lease, or the code that asks runs in no task. A defect
 * - `BadTaskModule`: a module can't be loaded, or its default export is not a function
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type WorkerErrorReason =
  | { readonly _tag: "SpawnFailed"; readonly attempts: number; readonly problem: string }
  | { readonly _tag: "WorkerExited"; readonly code: number | null; readonly problem: string }
  | { readonly _tag: "NotSendable"; readonly task: string; readonly problem: string; readonly remedy?: string }
  | { readonly _tag: "ResultNotSendable"; readonly task: string; readonly problem: string; readonly remedy?: string }
  | { readonly _tag: "BadReply"; readonly task: string; readonly problem: string }
  | { readonly _tag: "QueueFull"; readonly bound: number }
  | { readonly _tag: "PoolClosed" }
  | { readonly _tag: "WrongKind"; readonly task: string; readonly isStream: boolean }
  | { readonly _tag: "UnknownTask"; readonly task: string }
  | { readonly _tag: "InvalidOption"; readonly option: string; readonly problem: string }
  | { readonly _tag: "WouldBlockForever"; readonly lock: string }
  | { readonly _tag: "NotHeld"; readonly lock: string }
  | { readonly _tag: "LeaseRefused"; readonly lease: string; readonly problem: string }
  | { readonly _tag: "UnknownLease"; readonly lease: string; readonly problem: string }
  | { readonly _tag: "BadTaskModule"; readonly url: string; readonly problem: string; readonly remedy?: string }

const Base: new (fields: { readonly reason: WorkerErrorReason }) => Cause.YieldableError & {
  readonly _tag: "WorkerError"
  readonly reason: WorkerErrorReason
} = /* @__PURE__ */ errorBase("WorkerError")

/**
 * The error of this package. `reason._tag` names the case; `message` has the problem, the likely cause and the remedy.
 * The error crosses threads by `Schemas.WorkerError`.
 *
 * @stability unstable
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
 * Makes a `WorkerError` from its reason. The `cause` is an error with the details, such as the one that ended a worker.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: WorkerErrorReason, cause?: unknown): WorkerError => {
  const error = new WorkerError({ reason })
  if (cause !== undefined) Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true })
  return error
}

/**
 * Whether a value is a `WorkerError`.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isWorkerError = (value: unknown): value is WorkerError => readOr(() => value instanceof WorkerError, false)

/** A problem without its full stop, for the middle of a sentence. */
const bare = (problem: string): string => {
  // A regular expression for the end of a text takes quadratic time.
  let end = problem.length
  while (end > 0 && (problem[end - 1] === "." || problem[end - 1]!.trim() === "")) end--
  return problem.slice(0, end)
}

const explain = (reason: WorkerErrorReason): string => {
  switch (reason._tag) {
    case "SpawnFailed":
      return `The worker could not be started (${reason.attempts} attempts): ${bare(reason.problem)}. Check the worker's URL, what it imports, and that it calls ThreadWorker.main.`
    case "WorkerExited":
      return `The worker ended under its threads${reason.code === null ? "" : ` with code ${reason.code}`}: ${bare(reason.problem)}. Other workers go on, and the pool replaces this one. Run its tasks again if they may run twice.`
    case "NotSendable":
      return `"${reason.task}" was not sent, because its payload can't be sent to a worker: ${bare(reason.problem)}. ${reason.remedy ?? "Send plain data, or give the contract a Schema that encodes the payload to plain data."}`
    case "ResultNotSendable":
      return `The result of "${reason.task}" could not be sent to the host: ${bare(reason.problem)}. ${reason.remedy ?? "Return plain data, without functions and without getters that throw, or give the contract a Schema that encodes the result to plain data."}`
    case "BadReply":
      return `The worker's answer to "${reason.task}" does not fit the contract: ${bare(reason.problem)}. Host and worker were probably built from different versions of the contract.`
    case "QueueFull":
      return `All workers are busy and ${reason.bound} tasks wait already, so the task was refused. Try again later, raise the bound, or let callers wait.`
    case "PoolClosed":
      return `The pool is drained or closed, so the task was refused. Run no task after the call of the pool's drain, or after the end of its scope.`
    case "WrongKind":
      return explainKind(reason)
    case "UnknownTask":
      return `The worker has no handler for "${reason.task}". Host and worker must be given the same RpcGroup.`
    case "InvalidOption":
      return `${reason.option}: ${bare(reason.problem)}.`
    case "WouldBlockForever":
      return `This thread holds "${reason.lock}" itself, or one of its fibers waits for the lock. Neither could release it while synchronous code blocks the thread. Release the lock first, or wait in a fiber with the Effect.`
    case "NotHeld":
      return `"${reason.lock}" was declared consistent after its release, so the declaration came too late and the lock may be unusable. Call markConsistent while the lock is held: in the scope of SharedMutex.lock, or before the guard's release.`
    case "LeaseRefused":
      return `The host does not keep "${reason.lease}" for this worker: ${bare(reason.problem)}. Send plain data, or give the lease's contract a Schema that encodes it to plain data, and acquire the lease before its task ends.`
    case "UnknownLease":
      return `The host does not keep "${reason.lease}" for this code: ${bare(reason.problem)}. Give the pool a HostLease.handler for it in hostLeases, and acquire the lease within a task of that pool.`
    case "BadTaskModule":
      return `"${reason.url}" is not a task module: ${bare(reason.problem)}. ${reason.remedy ?? moduleAdvice(reason)}`
  }
}

const pathOf = (url: string): string => (URL.canParse(url) ? decodeURI(new URL(url).pathname) : url)

/** A module of TypeScript is not there any more after a build. */
const moduleAdvice = ({ problem, url }: { readonly problem: string; readonly url: string }): string =>
  url.endsWith(".ts") && problem.startsWith(`Cannot find module '${pathOf(url)}'`)
    ? 'After a build the module is a file of JavaScript: use ModuleUrl.of("./task.ts", import.meta.url), which finds it before and after.'
    : `Give an absolute URL, such as new URL("./task.ts", import.meta.url), of a module whose default export is a function.`

type Of<Tag extends WorkerErrorReason["_tag"]> = Extract<WorkerErrorReason, { readonly _tag: Tag }>

const explainKind = ({ isStream, task }: Of<"WrongKind">): string =>
  isStream
    ? `"${task}" gives a stream, so it was not started as a plain task. Use the pool's stream for it.`
    : `"${task}" gives no stream, so it was not started as one. Use the pool's execute, run or spawn for it.`
