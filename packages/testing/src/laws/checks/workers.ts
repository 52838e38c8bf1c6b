/** The laws of code that is ended by force, and of slots that are used again. */
import * as Exit from "effect/Exit"
import { isAbandoned, isForced, type Outcome, type Bystander } from "../Outcome.ts"
import { only } from "../Trace.ts"

type Check = (outcome: Outcome) => ReadonlyArray<string>

const noticed = (bystanders: ReadonlyArray<Bystander>): ReadonlyArray<string> =>
  bystanders.flatMap(({ crashed, problems, where }) => [
    ...problems.map((problem) => `the thread ${where} noticed: ${problem}`),
    ...(crashed ? [`the thread ${where} crashed`] : [])
  ])

/**
 * Whether a shutdown came to the kill of a thread that has no forced exit. The thread may have been abandoned before its
 * worker had ended. Or it ended by the unwind while its worker was already being ended.
 */
const wasKillSent = ({ events }: Outcome): boolean =>
  only(events, "Reported").some(({ report: { attempts } }) =>
    attempts.some(({ _tag, rung }) => rung === "kill" && (_tag === "Ended" || _tag === "Outwaited"))
  )

/** A section without an end was ended by force, or ended with its worker. */
const unwindPrecise: Check = (outcome) => {
  const killed = [...outcome.threads.values()].some(({ exit }) => isForced(exit)) || wasKillSent(outcome)
  const ended = new Set(only(outcome.events, "Spun").map(({ id }) => id))
  const cut = only(outcome.events, "Spinning").filter(({ id }) => !ended.has(id))
  const closes = outcome.scenario.plan.some(({ action }) => action._tag === "Close")
  const asked = closes || only(outcome.events, "Asked").some(({ how }) => how === "interrupt" || how === "shutdown")
  const problems = cut.flatMap(({ shielded, thread }) => {
    if (killed) return []
    if (!asked) return [`a section of ${thread} was ended, though nobody had asked`]
    if (shielded) return [`a shielded section of ${thread} was ended`]
    const exit = outcome.threads.get(thread)?.exit
    return exit !== undefined && Exit.isSuccess(exit) && !isStopped(outcome, thread)
      ? [`${thread} succeeded, though its section was ended`]
      : []
  })
  return [
    ...problems,
    ...busyProblems(outcome, asked),
    ...noticed(crashes(outcome) ? unharmed(outcome) : outcome.bystanders.filter(({ crashed }) => !killed || !crashed)),
    ...unreleased(outcome)
  ]
}

/** A stop ends the work of an `untilStopped`, also a section in it. The thread then goes on, and may succeed. */
const isStopped = ({ scenario, threads }: Outcome, thread: string): boolean =>
  threads.get(thread)?.reason !== undefined && JSON.stringify(scenario.program).includes('"UntilStopped"')

/** A busy section lasts to its end or to its deadline, unless somebody has asked for the end of its thread. */
const busyProblems = (outcome: Outcome, asked: boolean): ReadonlyArray<string> =>
  only(outcome.events, "WasBusy").flatMap(({ at, due, how, shielded, thread }) => {
    if (how === "outlived") return [`nothing ended a busy section of ${thread}`]
    if (how === "ended" && shielded) return [`a shielded busy section of ${thread} was ended`]
    if (how === "ended" && !asked && (due === null || at < due))
      return [`a busy section of ${thread} was ended at ${at}, and its deadline was ${due ?? "none"}`]
    if (how === "finished" && !shielded && due !== null && at > due)
      return [`a busy section of ${thread} lasted to ${at}, and its deadline was ${due}`]
    return []
  })

const unreleased = (outcome: Outcome): ReadonlyArray<string> => {
  if ([...outcome.threads.values()].some(({ exit }) => isForced(exit)) || isUnfinished(outcome)) return []
  const released = new Set(only(outcome.events, "Released").map(({ lease }) => lease))
  return only(outcome.events, "Acquired").flatMap(({ lease }) =>
    released.has(lease) ? [] : [`the release of ${lease} did not run to its end`]
  )
}

/**
 * Whether the run ended while an abandoned thread still had something to do. A shutdown that began before the thread was
 * abandoned may kill its worker afterwards.
 */
const isUnfinished = ({ leftovers, threads }: Outcome): boolean =>
  (leftovers === undefined || leftovers.tasks + leftovers.sleeps > 0) &&
  [...threads.values()].some(({ exit }) => isAbandoned(exit))

const noSignalLeak: Check = (outcome) => noticed(outcome.bystanders)

/** Whether the program takes its worker down by itself. */
const crashes = ({ events }: Outcome): boolean => only(events, "Crashing").length > 0

/**
 * The bystanders that a crash must not harm. Threads of a crashed worker may end with the worker: the thread beside the first
 * thread and, if the first thread had ended before the crash, the next thread in its place. Other threads must live on, and
 * later threads must start.
 */
const unharmed = (outcome: Outcome): ReadonlyArray<Bystander> => {
  const isForcedDown = isForced(outcome.threads.get("t")?.exit)
  return outcome.bystanders.filter(
    ({ crashed, where }) => !crashed || where === "elsewhere" || (where === "next" && isForcedDown)
  )
}

/** A caller can catch the error of a crash only if no defect is beside the error. */
const crashContained: Check = (outcome) => {
  const exit = outcome.threads.get("t")?.exit
  const isForcedDown = isForced(exit)
  const isCrashed = crashes(outcome)
  return [
    ...noticed(isCrashed ? unharmed(outcome) : outcome.bystanders),
    ...(isForcedDown && Exit.hasDies(exit!) ? ["the end of the first thread has a defect"] : []),
    ...(isForcedDown && !isCrashed ? ["the first thread crashed, and nothing crashed it"] : []),
    ...(outcome.end === "Done" ? [] : [`the run ended in ${outcome.end}`])
  ]
}

export const laws: Record<"unwind-precise" | "no-signal-leak" | "crash-contained", Check> = {
  "unwind-precise": unwindPrecise,
  "no-signal-leak": noSignalLeak,
  "crash-contained": crashContained
}
