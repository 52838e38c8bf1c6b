/** The data of a timeline, which `Timeline` exports. All times are in milliseconds since the start of the recording. */
import type { Rung } from "../steps.ts"
import type { LeaseResult } from "../leaseAccount.ts"
import type { Ending } from "../../ShutdownReport.ts"

/**
 * One event of a thread. A rung has an event for each request that was new to the thread: the first one, a higher rung or
 * a further reason. `lease` is the `id` of a lease of the timeline, `by` the name of the asking thread if it is known.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type EventKind =
  | { readonly _tag: "Spawned" }
  | { readonly _tag: "Started"; readonly place: string | null }
  | {
      readonly _tag: "Asked"
      readonly rung: Rung
      readonly reason: string
      readonly message: string
      readonly by: string | null
    }
  | { readonly _tag: "Raised"; readonly error: string }
  | { readonly _tag: "Unwound"; readonly outcome: "Unwound" | "Idle" | "Refused"; readonly why: string | null }
  | { readonly _tag: "CleaningUp" }
  | { readonly _tag: "Ended"; readonly end: Ending["_tag"]; readonly why: string | null }
  | { readonly _tag: "Acquired"; readonly lease: number }
  | { readonly _tag: "Releasing"; readonly lease: number }
  | { readonly _tag: "LeaseEnded"; readonly lease: number; readonly result: LeaseResult; readonly error: string | null }

/**
 * An event with its time and the `id` of its thread.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Event = EventKind & { readonly at: number; readonly thread: string }

/**
 * A thread of a timeline.
 *
 * - `id`: the number of the thread, as in a dump
 * - `parent`: the `id` of the parent, null for threads below the main thread
 * - `place`: where the thread runs, such as `worker-3`; null for a fiber of this JavaScript thread
 * - `spawnedAt`: negative for a thread from before the recording
 * - `startedAt`: null while the thread waits for a place to run
 * - `asked`: the rungs that the thread was asked on, each higher than the one before
 * - `cleaningAt`: the end of the body, null if the body runs or if there was nothing to clean up
 * - `end`, `endedAt`: null while the thread lives; `why` is the error or the reason of the end
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RecordedThread {
  readonly id: string
  readonly name: string
  readonly parent: string | null
  readonly place: string | null
  readonly spawnedAt: number
  readonly startedAt: number | null
  readonly asked: ReadonlyArray<{ readonly rung: Rung; readonly at: number }>
  readonly cleaningAt: number | null
  readonly endedAt: number | null
  readonly end: Ending["_tag"] | null
  readonly why: string | null
}

/**
 * A lease of a timeline. `releasingAt` is null if no release has begun here: the lease is held or lost, or its release runs
 * in a worker. `result` and `endedAt` are null while the lease is held or its release runs.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RecordedLease {
  readonly id: number
  readonly name: string
  readonly thread: string
  readonly acquiredAt: number
  readonly releasingAt: number | null
  readonly endedAt: number | null
  readonly result: LeaseResult | null
  readonly error: string | null
}

/**
 * The recorded events with their threads and leases, in order. `startedAt` is in milliseconds since the epoch, `until` is
 * the time of the last look. `dropped` counts the oldest events that had no more room. Threads and leases are whole even
 * if some of their events were dropped, but those of which all events were dropped are missing unless they are alive.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Timeline {
  readonly startedAt: number
  readonly until: number
  readonly events: ReadonlyArray<Event>
  readonly dropped: number
  readonly threads: ReadonlyArray<RecordedThread>
  readonly leases: ReadonlyArray<RecordedLease>
}
