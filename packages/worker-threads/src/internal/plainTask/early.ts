/** A worker that is started before its host has loaded the code of the pool. It waits for its handshake on a port. */
import type { MessagePort } from "node:worker_threads"

export const earlyKey = "~@quiesce/worker-threads/early"

/** `url` is the module of the function that is called first. */
export interface Early {
  readonly port: MessagePort
  readonly url: string
}

export const earlyOf = (data: unknown): Early | undefined =>
  typeof data === "object" && data !== null && earlyKey in data
    ? // Only the host of plain functions writes under this key.
      (data[earlyKey] as Early)
    : undefined
