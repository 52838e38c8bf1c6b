/**
 * The outcome of one run of a scenario, which the laws check.
 *
 * @since 0.1.0
 */
import type * as CancelReason from "@quiesce/core/CancelReason"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import { isThreadError, type ThreadErrorReason } from "@quiesce/core/ThreadError"
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Scenario } from "./Scenario.ts"
import type { Event } from "./Trace.ts"

/** @stability unstable @category models @since 0.1.0 */
export type AnyExit = Exit.Exit<unknown, unknown>

/**
 * The end of a thread: its exit, if any, the first reason of a request, and the reason of its signal.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Ended {
  readonly name: string
  readonly scope: string
  readonly exit: AnyExit | undefined
  readonly reason: CancelReason.CancelReason | undefined
  readonly signalReason: CancelReason.CancelReason | undefined
}

/**
 * The left-overs after the end of all threads: tasks of the scheduler, timers, listeners on AbortSignals, items in the
 * queue; and the state of the lock: free, held by an ended thread, or marked with the death of its owner.
 *
 * @stability unstable
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
 * A thread outside the scenario, with the effects that it noticed: a thread `beside` the scenario, the `next` thread in its
 * place, or a thread `elsewhere`. `crashed` marks a thread that ended with its worker.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Bystander {
  readonly where: "beside" | "next" | "elsewhere"
  readonly crashed: boolean
  readonly problems: ReadonlyArray<string>
}

/**
 * The outcome of a run. `cut` is the step at which the plan began, null if the plan did not begin. The run ended as `Done`,
 * as a `Deadlock` without a runnable task and without a sleep, or as `Endless`. `leftovers` is undefined if no thread is
 * left to report them, such as after a kill. `isElsewhere`: the threads ran behind the controls of an adapter. Such a thread
 * loses its leases if it is abandoned.
 *
 * @stability unstable
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
  readonly bystanders: ReadonlyArray<Bystander>
  readonly isElsewhere: boolean
}

/** The reason of the thread error that an exit carries as a defect. */
const defectOf = (exit: AnyExit | undefined): ThreadErrorReason["_tag"] | undefined => {
  if (exit?._tag !== "Failure") return undefined
  for (const reason of exit.cause.reasons) {
    if (Cause.isDieReason(reason) && isThreadError(reason.defect)) return reason.defect.reason._tag
  }
  return undefined
}

const endOf = (exit: AnyExit | undefined): ForcedEnd.ForcedEnd | undefined =>
  exit === undefined ? undefined : Option.getOrUndefined(ForcedEnd.fromExit(exit))

/**
 * Whether an exit says that its thread was abandoned.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const isAbandoned = (exit: AnyExit | undefined): boolean => defectOf(exit) === "Abandoned"

/**
 * Whether an exit says that its thread was killed.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const isKilled = (exit: AnyExit | undefined): boolean => endOf(exit)?._tag === "Killed"

/**
 * Whether an exit says that its thread ended by force, without finalizers: killed or crashed.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const isForced = (exit: AnyExit | undefined): boolean => endOf(exit) !== undefined

/**
 * Whether any thread was given up before it had cleaned up.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const anyGivenUp = (outcome: Outcome): boolean => {
  for (const { exit } of outcome.threads.values()) if (isGivenUp(exit)) return true
  return false
}

/**
 * Whether a thread was abandoned or ended by force.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const isGivenUp = (exit: AnyExit | undefined): boolean => isAbandoned(exit) || isForced(exit)
