/**
 * Functions in worker threads for code without Effect. A module's default export is called in a worker. An AbortSignal
 * ends the call, even in a busy loop.
 *
 * @since 0.1.0
 */
import { Worker } from "node:worker_threads"
import { availableParallelism } from "node:os"
import * as Abort from "@quiesce/core/Abort"
import type * as StopToken from "@quiesce/core/StopToken"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { inputProblem } from "./internal/plainTask/inputProblem.ts"
import { LoadProblem } from "./internal/plainTask/host/plainDialect.ts"
import * as PlainPool from "./internal/plainTask/host/plainPool.ts"
import * as ModuleUrl from "./ModuleUrl.ts"
import * as WorkerError from "./WorkerError.ts"

/**
 * The second argument of a task's function: a signal for asynchronous code, and a token for synchronous loops to poll.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface TaskContext {
  readonly signal: AbortSignal
  readonly token: StopToken.StopToken
}

/** The module of the workers. */
let worker: URL | string = ModuleUrl.of("./internal/plainTask/task.worker.ts", import.meta.url)

/**
 * Names the module of the workers of `runTask`, for a program that is bundled together with this package. The bundle then
 * needs a module of its own that imports `@quiesce/worker-threads/taskWorker`, as an entry. Call it before the first
 * `runTask`: workers that have started stay as they are.
 *
 * ```ts
 * // The file task.worker.ts has one line: import "@quiesce/worker-threads/taskWorker"
 * import { ModuleUrl, Task } from "@quiesce/worker-threads"
 *
 * Task.useWorker(ModuleUrl.of("./task.worker.ts", import.meta.url))
 * ```
 *
 * @stability unstable
 * @category configuration
 * @since 0.1.0
 */
export const useWorker = (url: URL | string): void => {
  worker = url
}

/** The pool lives as long as the process, and does not keep the process alive. */
const makePool = Effect.suspend(() =>
  Scope.provide(
    PlainPool.open({
      spawn: (options) => new Worker(worker, options),
      size: { min: 0, max: availableParallelism() }
    }),
    Scope.makeUnsafe()
  )
)

let pool: Promise<Effect.Success<typeof makePool>> | undefined

/**
 * Calls the default export of the module at `url` in a worker, as `(input, { signal, token })`. Gives the value that it
 * returns or resolves with, and throws the error that it throws, with name, message and own properties. Input and
 * result cross by structured clone.
 *
 * All calls in the process share the workers. A worker is started when it is needed and ends when it is idle.
 *
 * Rejects with a `WorkerError`: `BadTaskModule`, `NotSendable` if the input can't be cloned, `WorkerExited`.
 *
 * *Cancellation*: after an abort the Promise rejects with `signal.reason`, once the function has settled. A loop that
 * checks neither its signal nor its token is ended after a second. If that fails, the worker is killed.
 *
 * ```ts
 * import { Task } from "@quiesce/worker-threads"
 *
 * const signal = AbortSignal.timeout(10_000)
 * const sum = await Task.runTask<number>(new URL("./sum.ts", import.meta.url), [1, 2, 3], { signal })
 * ```
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const runTask = <A = unknown>(
  url: URL | string,
  input?: unknown,
  options?: { readonly signal?: AbortSignal | undefined }
): Promise<A> => {
  const href = String(url)
  const problem = inputProblem(input)
  if (problem !== undefined) {
    return Promise.reject(WorkerError.make({ _tag: "NotSendable", task: href, problem, remedy: inputRemedy }))
  }
  const task = Effect.flatMap(
    Effect.promise(() => (pool ??= Effect.runPromise(makePool))),
    (made) => made.execute({ url: href, input, reports: false }, { name: undefined, transfer: [], onReport: undefined })
  )
  const readable = Effect.mapError(task, (error) => {
    if (error instanceof LoadProblem)
      return WorkerError.make({ _tag: "BadTaskModule", url: href, problem: error.problem })
    return error instanceof WorkerError.WorkerError ? inOwnWords(error, href) : error
  })
  // The caller states the type, because the module is not known here.
  return Abort.run(readable, options) as Promise<A>
}

const inputRemedy =
  "Give plain data. The function gets a signal and a token as its second argument: pass your signal as { signal }, the third argument of runTask."

const outputRemedy = "Return plain data, without functions and without getters that throw."

/** The error of a call in the words of a caller without a contract: the module stands for the task. */
const inOwnWords = (error: WorkerError.WorkerError, task: string): WorkerError.WorkerError => {
  const { reason } = error
  if (reason._tag === "NotSendable") return WorkerError.make({ ...reason, task, remedy: inputRemedy }, error.cause)
  if (reason._tag === "ResultNotSendable")
    return WorkerError.make({ ...reason, task, remedy: outputRemedy }, error.cause)
  return reason._tag === "BadReply" ? WorkerError.make({ ...reason, task }, error.cause) : error
}
