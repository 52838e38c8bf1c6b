/** The text of any thrown value, from any thread. The value's own `toString` is not trusted. */
import { inspect } from "node:util"

/** The message of an error, or the text of any other value. */
export const messageOf = (thrown: unknown): string => {
  try {
    const text = thrown instanceof Error ? (thrown.message as unknown) : undefined
    if (typeof text === "string" && text !== "") return text
    // A custom error of another thread arrives as an object whose inspection is its text.
    return typeof thrown === "string" ? thrown : inspect(thrown, { depth: 2 })
  } catch {
    return "something that can't be shown"
  }
}

/** The error of another thread, from its printed form: the message and, on further lines, the stack. */
export const remoteError = (printed: string): Error => {
  const error = new Error(printed.split("\n", 1)[0])
  error.stack = printed
  return error
}
