/**
 * Worker threads that go wrong, each in a way of its own: what starts workers can be tried with them in place of its own.
 *
 * @since 0.1.0
 */
import { Worker, type WorkerOptions } from "node:worker_threads"
import * as Effect from "effect/Effect"
import { format } from "effect/Formatter"
import type * as Scope from "effect/Scope"
import * as TestingError from "./TestingError.ts"

/**
 * What is wrong with a worker.
 *
 * - `throws`: it throws while it loads
 * - `never-ready`: it never finishes loading, though its event loop turns
 * - `crash`: once it has loaded, an exception is caught by nobody
 * - `rejection`: once it has loaded, a promise rejects and nobody handles that
 * - `exit`: once it has loaded, it calls `process.exit` with code 3
 * - `out-of-memory`: it fills its heap
 * - `garbage`: to its parent, and through every port in its `workerData`, it sends messages of nobody's protocol
 * - `hog`: it loops for ever, so it hears nothing and its event loop stands still
 * - `deaf`: it receives every message, from its parent and through those ports, and answers none
 *
 * @category models
 * @since 0.1.0
 */
export type Fault = (typeof faults)[number]

/**
 * All faults.
 *
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
 * The module of a faulty worker. The one that runs out of memory is to be started with a small heap in `resourceLimits`;
 * otherwise it throws and says so. Throws `InvalidOption` for what is no fault.
 *
 * @category constructors
 * @since 0.1.0
 */
export const url = (fault: Fault): URL => {
  if (faults.includes(fault)) return new URL(`./internal/faults/${fault}.worker.${extension}`, import.meta.url)
  const problem = `${format(fault)} is no fault; there are ${faults.join(", ")}`
  throw TestingError.make({ _tag: "InvalidOption", option: "fault", problem })
}

/** Of a worker that is to run out of memory soon. */
const smallHeap = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 }

/**
 * Starts a faulty worker for whoever looks after it, such as a pool that asks for one:
 * `WorkerPool.make(group, { spawn: (options) => FaultyWorker.makeUnsafe("crash", options) })`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (fault: Fault, options?: WorkerOptions): Worker =>
  new Worker(url(fault), fault === "out-of-memory" ? { resourceLimits: smallHeap, ...options } : options)

/**
 * Starts a faulty worker in the current scope. When that closes, the worker is terminated, and its end is waited for. Its
 * `error` event does not crash the process.
 *
 * @category constructors
 * @since 0.1.0
 */
export const spawn = (fault: Fault, options?: WorkerOptions): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => makeUnsafe(fault, options).on("error", () => {})),
    (worker) => Effect.promise(() => worker.terminate())
  )
