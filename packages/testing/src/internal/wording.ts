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
