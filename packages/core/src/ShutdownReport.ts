/**
 * The report of a shutdown: the attempts, the end of the thread and the results of its leases. Times are by the `Clock`.
 *
 * @since 0.1.0
 */
import { hasProperty } from "effect/Predicate"
import type { CancelReason } from "./CancelReason.ts"
import type { Rung } from "./Escalation.ts"
import * as Argument from "./internal/argument.ts"
import { printable } from "./internal/printable.ts"

/**
 * The attempt on one rung.
 *
 * - `Ended`: the thread ended on the rung, `millis` after the request. A thread that ended between two rungs has no such
 *   attempt
 * - `Overtaken`: the wait on the rung ended after `millis`, because another request took the thread to the rung `to`. There the
 *   thread ended or was abandoned
 * - `Outwaited`: the thread was still alive after `millis`. `stack` is the stack of the thread at that time, if known.
 *   `finalizer` is the name of the lease that was being released. `why` is the reason of a refusal of the rung `unwind`
 * - `Unavailable`: the adapter of the thread lacks the rung
 *
 * `at` is in milliseconds since the shutdown began.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Attempt =
  | { readonly _tag: "Ended"; readonly rung: Rung; readonly at: number; readonly millis: number }
  | {
      readonly _tag: "Overtaken"
      readonly rung: Rung
      readonly at: number
      readonly millis: number
      readonly to: Rung
    }
  | {
      readonly _tag: "Outwaited"
      readonly rung: Rung
      readonly at: number
      readonly millis: number
      readonly stack: string | null
      readonly finalizer: string | null
      readonly why: string | null
    }
  | { readonly _tag: "Unavailable"; readonly rung: Rung; readonly at: number; readonly why: string }

/**
 * The end of the thread. `NeverStarted` means that the thread was interrupted while it waited for a place to run.
 * `Abandoned` means that the thread may still run.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Ending =
  | { readonly _tag: "Succeeded" }
  | { readonly _tag: "Failed"; readonly error: string }
  | { readonly _tag: "Interrupted"; readonly reason: CancelReason }
  | { readonly _tag: "NeverStarted"; readonly reason: CancelReason }
  | { readonly _tag: "Killed"; readonly reason: CancelReason }
  | { readonly _tag: "Crashed"; readonly error: string }
  | { readonly _tag: "Abandoned" }

/**
 * A lease in a report. `heldMillis` is the time from the acquire to the end of the release, or to its loss. `error` is the
 * failure of the release.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface LeaseOutcome {
  readonly lease: string
  readonly thread: string
  readonly heldMillis: number
  readonly error: string | null
}

/**
 * The report of a shutdown. The leases are those of the thread and its descendants that got a result during the shutdown. A
 * `lost` lease was not released, because the thread was killed or abandoned.
 *
 * `rung` is the rung on which the thread ended, or null if the thread had ended before. `startedAt` is in milliseconds since
 * the epoch. `millis` is the duration of the whole shutdown.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ShutdownReport {
  readonly thread: string
  readonly reason: CancelReason
  readonly startedAt: number
  readonly millis: number
  readonly rung: Rung | null
  readonly attempts: ReadonlyArray<Attempt>
  readonly ending: Ending
  readonly released: ReadonlyArray<LeaseOutcome>
  readonly failed: ReadonlyArray<LeaseOutcome>
  readonly timedOut: ReadonlyArray<LeaseOutcome>
  readonly lost: ReadonlyArray<LeaseOutcome>
}

/**
 * Whether the thread was abandoned.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isAbandoned = (self: ShutdownReport): boolean => checked("isAbandoned", self).ending._tag === "Abandoned"

/** The given report. Throws where a user without types gives something else. */
const checked = (operation: string, self: ShutdownReport): ShutdownReport => {
  if (hasProperty(self, "ending") && hasProperty(self.ending, "_tag")) return self
  throw Argument.wrong(`ShutdownReport.${operation}`, self, "a report: the result of `yield* Thread.shutdown(thread)`")
}

/**
 * The report as a few lines of text.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: ShutdownReport): string => {
  checked("render", self)
  const after = `after ${self.millis} ms`
  const where = self.rung === null ? "had ended before" : `ended on ${self.rung} ${after}`
  const lines = [
    `${self.thread}: ${isAbandoned(self) ? `abandoned ${after}` : where} (${renderEnding(self.ending)}; ${self.reason.message})`
  ]
  for (const attempt of self.attempts) {
    lines.push(`  ${attempt.rung} at ${attempt.at} ms: ${renderAttempt(attempt)}`)
  }
  for (const kind of ["released", "failed", "timedOut", "lost"] as const) {
    if (self[kind].length > 0) lines.push(`  ${kind}: ${self[kind].map((_) => _.lease).join(", ")}`)
  }
  return lines.map(printable).join("\n")
}

/** The end, with the first line of its error. */
const renderEnding = (ending: Ending): string => {
  if (ending._tag === "NeverStarted") return "never started"
  return "error" in ending ? `${ending._tag}: ${ending.error.split("\n", 1)[0]}` : ending._tag
}

const renderAttempt = (attempt: Attempt): string => {
  switch (attempt._tag) {
    case "Ended":
      return `ended after ${attempt.millis} ms`
    case "Overtaken":
      return `overtaken after ${attempt.millis} ms by another request, which ended the wait on ${attempt.to}`
    case "Outwaited": {
      const where = attempt.finalizer === null ? "" : `, in the release of "${attempt.finalizer}"`
      return `outwaited for ${attempt.millis} ms${where}${attempt.why === null ? "" : `, refused at first: ${attempt.why}`}`
    }
    case "Unavailable":
      return `not available: ${attempt.why}`
  }
}
