/** Starts a worker by the user's `spawn`, with the handshake in its `workerData`. */
import { type MessagePort, Worker, type WorkerOptions } from "node:worker_threads"
import { messageOf } from "../wire/errorText.ts"
import { type Handshake, handshakeKey } from "../wire/handshake.ts"
import { startWith } from "./inheritedFlags.ts"

export type Spawn = (options: WorkerOptions) => Worker

/** `port` goes to the worker. Throws the error of `spawn`, and an error for a result that is not a Worker. */
export const spawnWorker = (spawn: Spawn, given: Omit<Handshake, "port">, port: MessagePort): Worker => {
  // Node's type of a port and the handshake's describe the same object.
  const workerData = { [handshakeKey]: { ...given, port } as unknown as Handshake }
  return checked(startWith((execArgv) => spawn({ workerData, transferList: [port], execArgv })))
}

const checked = (worker: unknown): Worker => {
  if (worker instanceof Worker) return worker
  throw new TypeError(
    `spawn gave ${messageOf(worker)}, which is not a Worker; give (options) => new Worker(url, options)`
  )
}
