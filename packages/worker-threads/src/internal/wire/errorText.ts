/** What was thrown, in words. It may be anything, of any thread, and is never trusted to have a text of its own. */
import { inspect } from "node:util"

/** Its message, if it is an error. */
export const messageOf = (thrown: unknown): string => textOf(thrown, ({ message }) => message)

/** With its stack, if it is an error that has one. */
export const traceOf = (thrown: unknown): string => textOf(thrown, ({ stack, message }) => stack ?? message)

const textOf = (thrown: unknown, ofError: (error: Error) => unknown): string => {
  try {
    const text = thrown instanceof Error ? ofError(thrown) : undefined
    if (typeof text === "string" && text !== "") return text
    // A custom error of another thread arrives as an object whose inspection is its text.
    return typeof thrown === "string" ? thrown : inspect(thrown, { depth: 2 })
  } catch {
    return "something that can't be shown"
  }
}
