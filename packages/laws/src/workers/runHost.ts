/** The other side of a run: a worker, or a runner process. */
import type { Subject } from "@quiesce/testing/laws/Subject"
import type * as VirtualClock from "@quiesce/testing/VirtualClock"
import type { ToHost, ToWorker } from "./messages.ts"

/** A test worker or a runner process, as far as a run needs it. */
export interface RunHost {
  /** The time of both sides. */
  readonly hand: VirtualClock.Hand
  /** The number of an event in the order of both sides. */
  readonly sequence: () => number
  /** Completes when all messages to this thread have arrived. */
  readonly quiet: () => Promise<void>
  /** Whether all messages of both sides have arrived, from the view of an idle worker. */
  readonly hasArrived: (idle: Extract<ToHost, { readonly _tag: "Idle" }>) => boolean
  /** Ends the wait of the worker for the requests of the plan, after they were sent. */
  readonly resume: () => void
  /** Ends the section with a number. */
  readonly endSection: (spin: number) => void
  /** Whether a kill takes the worker away. Otherwise the killed thread may run on there. */
  readonly killEndsWorker: boolean
  readonly post: (message: ToWorker) => void
  /** Starts the task. */
  readonly spawn: (options: Parameters<Subject["spawn"]>[1]) => ReturnType<Subject["spawn"]>
  /** Whether the first thread is one of the host, which calls the program without a handle. */
  readonly isCall: boolean
  /** Frees the place for which the first thread waits; undefined if it waits for none. */
  readonly place?: (() => Promise<unknown>) | undefined
  /** Core, or core with a planted fault. */
  readonly subject: Subject
  /** Whether the engine searches for synchronous code even if none runs. */
  readonly thorough: boolean
  /** The state of the lock at the end. */
  readonly lock: () => Promise<"free" | "held" | "ownerDied">
}
