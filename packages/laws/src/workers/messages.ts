/** The words of shared memory and the messages between a test worker and its workers, besides the pool's. Nothing here loads Effect. */
import type { EncodedEnded, EncodedEvent } from "./wire.ts"

/** The words that a test worker shares with its workers. */
export const cell = {
  /** The virtual time, in milliseconds. */
  now: 0,
  /** The number of the last event of either side. */
  sequence: 1,
  /** 1 while the worker waits for the requests of the plan. */
  waiting: 2,
  /** The number of the last synchronous section that may end. */
  gate: 3
} as const

export type Cells = Int32Array<SharedArrayBuffer>

export const makeCells = (): Cells => new Int32Array(new SharedArrayBuffer(16))

/** The bytes that a process has read from a connection and written to it, by the port of the client's end. */
export type Bytes = Readonly<Record<string, readonly [read: number, written: number]>>

/** The messages of the worker. `run` is the number of the run. */
export type ToHost = { readonly run: number } & (
  | { readonly _tag: "Began" }
  | { readonly _tag: "Trace"; readonly events: ReadonlyArray<EncodedEvent> }
  /** No task can run before time passes; `next` is the end of the next sleep. */
  | {
      readonly _tag: "Idle"
      readonly activity: number
      readonly next: number | null
      readonly ended: boolean
      /** The bytes of each connection, for a worker in another process. */
      readonly bytes?: Bytes | undefined
    }
  /** The worker waits at a step for the host to perform the plan. */
  | { readonly _tag: "Cut"; readonly index: number }
  /** A synchronous section runs until the gate is opened for it, or until it is ended; `ends`: by an interrupt. */
  | { readonly _tag: "Spinning"; readonly spin: number; readonly ends: boolean }
  | {
      readonly _tag: "Finished"
      readonly steps: number
      readonly tasks: number
      readonly sleeps: number
      readonly listeners: number
      readonly queued: ReadonlyArray<number>
      /** The state of the worker's own lock, if the program's locks are no shared ones. */
      readonly lock?: "free" | "held" | undefined
      readonly threads: ReadonlyArray<EncodedEnded>
      /** The threads that were alive at the end of the first thread. */
      readonly orphans: ReadonlyArray<string>
    }
)

/** The messages of the host. */
export type ToWorker = { readonly run: number } &
  /** Asks for `Idle` when no task can run. */
  (
    | { readonly _tag: "Look" }
    /** Ends the next sleep, unless there was activity since `activity`. */
    | { readonly _tag: "Advance"; readonly activity: number }
    | { readonly _tag: "Finish" }
  )

/** The key in `workerData` of the port and the words of the test worker. */
export const testWorkerKey = "@quiesce/laws/test-worker"
