/**
 * What came of one run of a scenario: what the laws are checked on.
 *
 * @since 0.1.0
 */
import type * as CancelReason from "@quiesce/core/CancelReason"
import { isThreadError, type ThreadErrorReason } from "@quiesce/core/ThreadError"
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import type { Scenario } from "./Scenario.ts"
import type { Event } from "./Trace.ts"

/** @category models @since 0.1.0 */
export type AnyExit = Exit.Exit<unknown, unknown>

/**
 * What became of a thread: its exit, if it has one, why it was asked to end, and the reason that its signal told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ended {
  readonly name: string
  readonly scope: string
  readonly exit: AnyExit | undefined
  readonly reason: CancelReason.CancelReason | undefined
  readonly told: CancelReason.CancelReason | undefined
}

/**
 * What was left when all had ended: tasks of the scheduler, timers, listeners on AbortSignals, items in the queue; and
 * how the lock was found: free, held by nobody who lives, or with the news that its owner died.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leftovers {
  readonly tasks: number
  readonly sleeps: number
  readonly listeners: number
  readonly queued: ReadonlyArray<number>
  readonly lock: "free" | "held" | "ownerDied"
}

/**
 * Another thread that had nothing to do with the scenario, and what it noticed of it all the same: one `beside` it, the
 * `next` one in its place, or one `elsewhere`. `crashed` is one that went down with what it ran on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Witness {
  readonly where: "beside" | "next" | "elsewhere"
  readonly crashed: boolean
  readonly problems: ReadonlyArray<string>
}

/**
 * What came of a run. `cut` is the step at which the plan began, null when it was not begun. It ended as `Done`; in a
 * `Deadlock`, when nothing could run and nothing slept; or was `Endless`. `leftovers` is undefined where nobody is left
 * to tell, as after a kill.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly scenario: Scenario
  readonly cut: number | null
  readonly end: "Done" | "Deadlock" | "Endless"
  readonly steps: number
  readonly events: ReadonlyArray<Event>
  readonly threads: ReadonlyMap<string, Ended>
  readonly leftovers: Leftovers | undefined
  readonly witnesses: ReadonlyArray<Witness>
}

/** The reason of the thread error that an exit carries as a defect. */
const defectOf = (exit: AnyExit | undefined): ThreadErrorReason["_tag"] | undefined => {
  if (exit?._tag !== "Failure") return undefined
  for (const reason of exit.cause.reasons) {
    if (Cause.isDieReason(reason) && isThreadError(reason.defect)) return reason.defect.reason._tag
  }
  return undefined
}

/**
 * Whether an exit says that its thread was abandoned.
 *
 * @category observing
 * @since 0.1.0
 */
export const isAbandoned = (exit: AnyExit | undefined): boolean => defectOf(exit) === "Abandoned"

/**
 * Whether an exit says that its thread was killed.
 *
 * @category observing
 * @since 0.1.0
 */
export const isKilled = (exit: AnyExit | undefined): boolean => defectOf(exit) === "Killed"

/**
 * Whether an exit says that its thread ended by force, with nothing run any more: killed or crashed.
 *
 * @category observing
 * @since 0.1.0
 */
export const isForced = (exit: AnyExit | undefined): boolean => ["Killed", "Crashed"].includes(defectOf(exit) ?? "")

/**
 * Whether any thread was given up before it had cleaned up.
 *
 * @category observing
 * @since 0.1.0
 */
export const anyGivenUp = (outcome: Outcome): boolean => {
  for (const { exit } of outcome.threads.values()) if (isAbandoned(exit) || isForced(exit)) return true
  return false
}
