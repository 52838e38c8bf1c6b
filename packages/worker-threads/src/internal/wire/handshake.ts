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

/** The version of everything that host and worker exchange. */
export const protocol = 3

/** The key of the handshake in `workerData`. */
export const handshakeKey = "~@quiesce/worker-threads"

/** The handshake of this thread; undefined if no pool has started the thread. */
export const handshakeOf = (data: unknown): Handshake | undefined =>
  typeof data === "object" && data !== null && handshakeKey in data
    ? // Only the pool writes under this key.
      (data[handshakeKey] as Handshake)
    : undefined

/** Where this copy of the toolkit was loaded from. */
export const source: string = import.meta.url

export interface Handshake {
  readonly protocol: number
  readonly source: string | undefined
  readonly port: MessagePort
  readonly control: SharedArrayBuffer
  /** How many tasks the worker runs at a time. More tasks may be sent ahead to a worker of plain functions. */
  readonly concurrency: number
  /** The capabilities of the process, if they are known. The pools of the worker need not test them again. */
  readonly capabilities: Capabilities | undefined
  /** The tasks of the contract. An entry of a ring names its task by the index in this list. */
  readonly names: ReadonlyArray<string>
  /** The rings of starts and of values. */
  readonly starts: SharedArrayBuffer
  readonly values: SharedArrayBuffer
  /** The module whose function a worker of plain functions calls first. The worker loads the module at its start. */
  readonly early?: string
}

/** The message that wakes the sleeping reader of a ring. */
export const wakeUp = null
