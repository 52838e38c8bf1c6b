/** A worker that is started before its host has loaded the code of the pool. It waits for its handshake on a port. */
import type { MessagePort } from "node:worker_threads"

export const earlyKey = "~@quiesce/worker-threads/early"

export const earlyPortOf = (data: unknown): MessagePort | undefined =>
  typeof data === "object" && data !== null && earlyKey in data
    ? // Only the host of plain functions writes under this key.
      (data[earlyKey] as MessagePort)
    : undefined
