/** The text of a Cause of any values: see `foreignText.ts`. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import { isError, isObject } from "./foreignParts.ts"
import { attempt, cut, maxDepth, maxText, maxTrace, messageOf, stackOf, stringOr, textOf } from "./foreignText.ts"

const maxReasons = 20

/** The errors of a Cause with their stacks, as Effect prints a Cause. */
export const causeText = (cause: Cause.Cause<unknown>): string =>
  attempt(() => {
    const { length } = cause.reasons
    const shown = Cause.pretty(Cause.fromReasons(cause.reasons.slice(0, maxReasons).map(printable)))
    return length > maxReasons ? `${shown}\n... and ${length - maxReasons} more` : shown
  }, maxTrace)

/** The reason with a copy of its error that `Cause.pretty` can print at little cost. */
const printable = (reason: Cause.Reason<unknown>): Cause.Reason<unknown> => {
  if (reason._tag === "Interrupt") return reason
  const thrown = reason._tag === "Fail" ? reason.error : reason.defect
  const copy = isObject(thrown) ? copyOf(thrown, maxDepth) : messageOf(thrown)
  const made = reason._tag === "Fail" ? Cause.makeFailReason(copy) : Cause.makeDieReason(copy)
  return made.annotate(Context.makeUnsafe(reason.annotations))
}

interface Copy {
  readonly name?: string
  readonly message: string
  readonly stack?: string
  readonly cause?: unknown
}

const copyOf = (thrown: object, depth: number): Copy => {
  const of = (key: string, most: number): string | undefined => {
    const text = stringOr(() => (thrown as Readonly<Record<string, unknown>>)[key], undefined)
    return text === undefined ? undefined : cut(text, most)
  }
  const name = of("name", maxText)
  const stack = stackOf(thrown as Readonly<Record<"name" | "message" | "stack", unknown>>)
  const cause = causeOf(thrown, depth)
  return {
    message: of("message", maxText) ?? (isError(thrown) ? "" : textOf(thrown)),
    ...(name !== undefined && { name }),
    ...(stack !== undefined && { stack: cut(stack, maxTrace) }),
    ...(cause !== undefined && { cause })
  }
}

const causeOf = (thrown: object, depth: number): unknown => {
  try {
    const cause = (thrown as { readonly cause?: unknown }).cause
    if (cause === undefined || depth === 0) return undefined
    return isObject(cause) ? copyOf(cause, depth - 1) : messageOf(cause)
  } catch {
    return undefined
  }
}
