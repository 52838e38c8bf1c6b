/**
 * Starts a worker by the user's `spawn`, with the handshake in its `workerData`.
 *
 * A `spawn` that does not pass its options on is refused at once: the worker could never find its pool.
 */
import { type MessagePort, Worker, type WorkerOptions } from "node:worker_threads"
import { messageOf } from "@quiesce/core/internal"
import * as WorkerError from "../../WorkerError.ts"
import { type Handshake, handshakeKey, protocol, source } from "../wire/handshake.ts"
import { startWith } from "./inheritedFlags.ts"

export type Spawn = (options: WorkerOptions) => Worker

/**
 * `port` goes to the worker. Throws the error of `spawn`. A misuse of `spawn` throws a `WorkerError` with `InvalidOption`,
 * because a further attempt would fail in the same way.
 */
export const spawnWorker = (
  spawn: Spawn,
  given: Omit<Handshake, "port" | "protocol" | "source">,
  port: MessagePort
): Worker => {
  const handshake = { ...given, protocol, source, port }
  let wasRead = false
  const workerData = {
    // Cloning the data reads the property, also if the user has spread it into data of their own.
    get [handshakeKey]() {
      wasRead = true
      return handshake
    }
  }
  const start = (execArgv: Array<string>): Worker => {
    wasRead = false
    return checked(spawn({ workerData, transferList: [port], execArgv }))
  }
  let worker: Worker
  try {
    worker = startWith(start)
  } catch (cause) {
    if (wasRead && !wasTransferred(port)) throw misuse(withoutTransferList)
    throw cause
  }
  if (wasRead && wasTransferred(port)) return worker
  // The worker fails, and nobody listens.
  worker.on("error", () => {})
  void worker.terminate()
  throw misuse(wasRead ? withoutTransferList : withoutData)
}

const checked = (worker: unknown): Worker => {
  if (worker instanceof Worker) return worker
  const given = worker instanceof URL ? `URL ${worker.href}` : messageOf(worker)
  throw misuse(`it gave ${given}, which is not a Worker. Give (options) => new Worker(url, options)`)
}

const withoutData =
  "it started a worker without options.workerData, by which the worker finds its pool. Pass the given options on: (options) => new Worker(url, options). To add data of your own: (options) => new Worker(url, { ...options, workerData: { ...options.workerData, mine } })"

const withoutTransferList =
  "it started a worker without options.transferList, which has the port between the pool and the worker. Pass the given options on: (options) => new Worker(url, options). To transfer more: (options) => new Worker(url, { ...options, transferList: [...options.transferList, mine] })"

const misuse = (problem: string): WorkerError.WorkerError =>
  WorkerError.make({ _tag: "InvalidOption", option: "spawn", problem })

/** Whether a port has gone to another thread. A port that has not is spent by the question. */
const wasTransferred = (port: MessagePort): boolean => {
  try {
    structuredClone(undefined, { transfer: [port as unknown as ArrayBuffer] })
    return false
  } catch {
    return true
  }
}
