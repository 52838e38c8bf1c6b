/** Words for findings and refusals. */
import { textOf } from "@quiesce/core/internal"

/** A number with its noun, such as "1 fiber" or "2 fibers". */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/** The message of a function that refuses an argument. `takes` says what belongs there, and how to get one. */
export const gotText = (of: string, given: unknown, takes: string): string =>
  `${of} got ${textOf(given)}, so nothing has happened. It takes ${takes}.`

/** Throws for options that can't be read. */
export const checkOptions = (of: string, options: unknown): void => {
  if (typeof options === "object" && options !== null) return
  throw new TypeError(gotText(of, options, "an object with options, which may be left out"))
}

/** Throws for the options of a scheduler that can't be used. `isAction` checks the action of a cut. */
export const checkSteps = (
  of: string,
  options: { readonly seed?: unknown; readonly budget?: unknown; readonly cuts?: unknown },
  isAction: (action: unknown) => boolean
): void => {
  checkOptions(of, options)
  const { budget, cuts, seed } = options
  if (seed !== undefined && !Number.isInteger(seed)) throw new TypeError(gotText(of, seed, "an integer as the seed"))
  if (budget !== undefined && !(typeof budget === "number" && budget > 0)) {
    throw new TypeError(gotText(of, budget, "a positive number of steps as the budget"))
  }
  if (cuts === undefined) return
  const takes = "an array of steps with their actions as the cuts"
  if (!Array.isArray(cuts)) throw new TypeError(gotText(of, cuts, takes))
  for (const cut of cuts as ReadonlyArray<unknown>)
    if (!isCut(cut, isAction)) throw new TypeError(gotText(of, cut, takes))
}

const isCut = (cut: unknown, isAction: (action: unknown) => boolean): boolean =>
  typeof cut === "object" &&
  cut !== null &&
  "step" in cut &&
  Number.isInteger(cut.step) &&
  "action" in cut &&
  isAction(cut.action)
