/** The laws of workers: code that is ended by force, and slots that are used again. */
import * as Exit from "effect/Exit"
import { isForced, type Outcome, type Bystander } from "../Outcome.ts"
import { only } from "../Trace.ts"

type Check = (outcome: Outcome) => ReadonlyArray<string>

const noticed = (bystanders: ReadonlyArray<Bystander>): ReadonlyArray<string> =>
  bystanders.flatMap(({ crashed, problems, where }) => [
    ...problems.map((problem) => `the thread ${where} noticed: ${problem}`),
    ...(crashed ? [`the thread ${where} crashed`] : [])
  ])

/** A section without an end was ended by force, or ended with its worker. */
const unwindPrecise: Check = (outcome) => {
  const killed = [...outcome.threads.values()].some(({ exit }) => isForced(exit))
  const ended = new Set(only(outcome.events, "Spun").map(({ id }) => id))
  const cut = only(outcome.events, "Spinning").filter(({ id }) => !ended.has(id))
  const closes = outcome.scenario.plan.some(({ action }) => action._tag === "Close")
  const asked = closes || only(outcome.events, "Asked").some(({ how }) => how === "interrupt" || how === "shutdown")
  const problems = cut.flatMap(({ shielded, thread }) => {
    if (killed) return []
    if (!asked) return [`a section of ${thread} was ended, though nobody had asked`]
    if (shielded) return [`a shielded section of ${thread} was ended`]
    const exit = outcome.threads.get(thread)?.exit
    return exit !== undefined && Exit.isSuccess(exit) ? [`${thread} succeeded, though its section was ended`] : []
  })
  // Threads of a crashed worker end with the worker.
  return [
    ...problems,
    ...noticed(outcome.bystanders.filter(({ crashed }) => !killed || !crashed)),
    ...unreleased(outcome)
  ]
}

const unreleased = (outcome: Outcome): ReadonlyArray<string> => {
  if ([...outcome.threads.values()].some(({ exit }) => isForced(exit))) return []
  const released = new Set(only(outcome.events, "Released").map(({ lease }) => lease))
  return only(outcome.events, "Acquired").flatMap(({ lease }) =>
    released.has(lease) ? [] : [`the release of ${lease} did not run to its end`]
  )
}

const noSignalLeak: Check = (outcome) => noticed(outcome.bystanders)

/**
 * Threads of a crashed worker may end with the worker: the thread beside the first thread and, if the first thread had ended
 * before the crash, the next thread in its place. Other threads must live on, and later threads must start.
 */
const crashContained: Check = (outcome) => {
  const isForcedDown = isForced(outcome.threads.get("t")?.exit)
  const crashes = only(outcome.events, "Crashing").length > 0
  return [
    ...noticed(
      outcome.bystanders.filter(
        ({ crashed, where }) => !crashed || !crashes || where === "elsewhere" || (where === "next" && isForcedDown)
      )
    ),
    ...(isForcedDown && !crashes ? ["the first thread crashed, and nothing crashed it"] : []),
    ...(outcome.end === "Done" ? [] : [`the run ended in ${outcome.end}`])
  ]
}

export const laws: Record<"unwind-precise" | "no-signal-leak" | "crash-contained", Check> = {
  "unwind-precise": unwindPrecise,
  "no-signal-leak": noSignalLeak,
  "crash-contained": crashContained
}
