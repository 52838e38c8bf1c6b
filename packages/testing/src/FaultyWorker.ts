/**
 * Worker threads with one fault each, for tests of code that starts workers.
 *
 * @since 0.1.0
 */
import { Worker, type WorkerOptions } from "node:worker_threads"
import { textOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as TestingError from "./TestingError.ts"

/**
 * The fault of a worker.
 *
 * - `throws`: its module throws while it loads
 * - `never-ready`: its module never finishes loading, though its event loop turns
 * - `crash`: an uncaught exception after loading
 * - `rejection`: an unhandled rejection after loading
 * - `exit`: a call of `process.exit` with code 3 after loading
 * - `out-of-memory`: the worker fills its heap
 * - `garbage`: the worker sends messages outside any protocol to its parent and through every port in its `workerData`
 * - `hog`: the worker loops for ever, so its event loop is blocked
 * - `deaf`: the worker receives every message, from its parent and through those ports, and never replies
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Fault = (typeof faults)[number]

/**
 * All faults.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export const faults = [
  "throws",
  "never-ready",
  "crash",
  "rejection",
  "exit",
  "out-of-memory",
  "garbage",
  "hog",
  "deaf"
] as const

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"

/**
 * The module of a faulty worker. Start `out-of-memory` with a small heap in `resourceLimits`; otherwise the worker throws
 * an error with that advice. Throws `InvalidOption` for an unknown fault.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const url = (fault: Fault): URL => {
  if (faults.includes(fault)) return new URL(`./internal/faults/${fault}.worker.${extension}`, import.meta.url)
  const problem = `${textOf(fault)} is no fault; there are ${faults.join(", ")}`
  throw TestingError.make({ _tag: "InvalidOption", option: "fault", problem })
}

/** The limits of a worker that runs out of memory soon. */
const smallHeap = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 }

/**
 * Starts a faulty worker. The caller ends the worker, such as a pool:
 * `WorkerPool.make(group, { spawn: (options) => FaultyWorker.makeUnsafe("crash", options) })`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (fault: Fault, options?: WorkerOptions): Worker =>
  new Worker(url(fault), { ...(fault === "out-of-memory" ? { resourceLimits: smallHeap } : {}), ...options })

/**
 * Starts a faulty worker in the current scope. When the scope closes, the worker is terminated and awaited. The worker's
 * `error` event does not crash the process.
 *
 * *Cancellation*: either no worker exists, or the worker is in the scope and ends with the scope.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const spawn = (fault: Fault, options?: WorkerOptions): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => makeUnsafe(fault, options).on("error", () => {})),
    (worker) => Effect.promise(() => worker.terminate())
  )
