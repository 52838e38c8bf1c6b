/** The text of any thrown value, from any thread. The value's own `toString` is not trusted. */
import { inspect } from "node:util"

/** The message of an error, or the text of any other value. */
export const messageOf = (thrown: unknown): string => textOf(thrown, ({ message }) => message)

/** The stack of an error if there is one, otherwise as `messageOf`. */
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
