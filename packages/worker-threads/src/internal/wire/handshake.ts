/** The data that a host gives to each of its workers before the first message. */
import type { MessagePort } from "node:worker_threads"

/** The code that the host can end in a worker, and why it can end no more. */
export type Unwind =
  | { readonly _tag: "None"; readonly why: string }
  | { readonly _tag: "SectionsOnly"; readonly why: string }
  | { readonly _tag: "SectionsAndOtherCode" }

export interface Capabilities {
  readonly unwind: Unwind
}

/** The key of the handshake in `workerData`. */
export const handshakeKey = "~@quiesce/worker-threads"

/** The handshake of this thread; undefined if no pool has started the thread. */
export const handshakeOf = (data: unknown): Handshake | undefined =>
  typeof data === "object" && data !== null && handshakeKey in data
    ? // Only the pool writes under this key.
      (data[handshakeKey] as Handshake)
    : undefined

export interface Handshake {
  readonly port: MessagePort
  readonly control: SharedArrayBuffer
  /** The capabilities of the process. The pools of the worker need not test them again. */
  readonly capabilities: Capabilities
  /** The tasks of the contract. An entry of a ring names its task by the index in this list. */
  readonly names: ReadonlyArray<string>
  /** The rings of starts and of values. */
  readonly starts: SharedArrayBuffer
  readonly values: SharedArrayBuffer
}

/** The message that wakes the sleeping reader of a ring. */
export const wakeUp = null
