/** The parsed form of an escalation. */
import type * as Duration from "effect/Duration"
import { parse as parseDuration, timeText } from "./duration.ts"
import { givenText } from "./givenText.ts"

/** See `Escalation.rungs`. */
export const rungs = ["stop", "interrupt", "unwind", "kill"] as const

export type Rung = (typeof rungs)[number]

/** See `Escalation.Step`. */
export interface Step {
  readonly rung: Rung
  readonly grace: number
}

type Input = { readonly [R in Rung]?: Duration.Input | undefined }

const parsed = new WeakMap<Input, ReadonlyArray<Step> | string>()

let lastInput: Input | undefined
let lastSteps: ReadonlyArray<Step> | string

/** The steps of an escalation in climbing order, or the problem with the escalation. */
export const of = (escalation: Input): ReadonlyArray<Step> | string => {
  if (typeof escalation !== "object" || escalation === null) return `it is ${givenText(escalation)}`
  // Many threads in a row have one escalation.
  if (escalation === lastInput) return lastSteps
  let steps = parsed.get(escalation)
  if (steps === undefined) {
    steps = parse(escalation)
    parsed.set(escalation, steps)
  }
  lastInput = escalation
  return (lastSteps = steps)
}

const parse = (escalation: Input): ReadonlyArray<Step> | string => {
  const unknown = Object.keys(escalation).find((key) => !(rungs as ReadonlyArray<string>).includes(key))
  if (unknown !== undefined) return `"${unknown}" is not a rung; the rungs are ${rungs.join(", ")}`
  const steps: Array<Step> = []
  for (const rung of rungs) {
    const input = escalation[rung]
    if (input === undefined) continue
    const grace = parseDuration(input)
    if (typeof grace === "string") return `the grace for ${rung} is ${timeText(input)}`
    const last = steps.at(-1)
    if (last !== undefined && last.grace === Infinity) {
      return `${rung} would never be reached, because ${last.rung} waits without limit`
    }
    steps.push({ rung, grace })
  }
  return steps.length === 0 ? "it has no rung" : steps
}
