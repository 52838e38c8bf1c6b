/** What a host hands to each of its workers at the start, before the first message. */
import type { MessagePort } from "node:worker_threads"

/** `undeclared`: also code outside declared sections, as far as a worker's own check of its Effect agrees. */
export type Capabilities =
  | { readonly unwind: true; readonly undeclared: boolean }
  | { readonly unwind: false; readonly undeclared: false; readonly why: string }

/** What the host hands to a worker in its `workerData`, under this key. */
export const handshakeKey = "~@quiesce/worker-threads"

/** Of this thread; undefined where no pool has started it. */
export const handshakeOf = (data: unknown): Handshake | undefined =>
  typeof data === "object" && data !== null && handshakeKey in data
    ? // Only the pool writes under this key.
      (data[handshakeKey] as Handshake)
    : undefined

export interface Handshake {
  readonly port: MessagePort
  readonly control: SharedArrayBuffer
  /** What the host can do: its worker's pools need not try it out again. */
  readonly capabilities: Capabilities
  /** The tasks of the contract; what comes through the ring names them by their index. */
  readonly names: ReadonlyArray<string>
  /** Rings of starts, and of the values of tasks. */
  readonly starts: SharedArrayBuffer
  readonly values: SharedArrayBuffer
}

/** Says that there is something in a ring whose reader was asleep. */
export const wakeUp = null
