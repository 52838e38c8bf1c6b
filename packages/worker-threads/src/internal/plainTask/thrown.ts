/**
 * A value that a plain function throws, on its way to the caller.
 *
 * Structured clone alone loses much of an error: its own properties, the name of its class, the `errors` of an
 * AggregateError, and everything of an object that only inherits from `Error`. A DOMException has a name that can't be set.
 * So an error crosses in parts.
 *
 * Nothing here loads Effect.
 */
import { messageOf } from "@quiesce/core/internal/plainText"

export interface Thrown {
  readonly _tag: "Thrown"
  readonly value: unknown
  /** The properties that a clone lacks. */
  readonly own: Readonly<Record<string, unknown>>
  /** The errors of an AggregateError. */
  readonly errors: ReadonlyArray<Thrown> | undefined
  /** The cause, if it is an error. Any other cause is in the value. */
  readonly cause: Thrown | undefined
}

/** How many errors of AggregateErrors cross in all, and how many levels of them. */
const maxErrors = 1000
const maxLevels = 8

/** How many more errors may cross. */
interface Left {
  errors: number
}

const isRecord = (u: unknown): u is Readonly<Record<string, unknown>> => typeof u === "object" && u !== null

export const isThrown = (u: unknown): u is Thrown =>
  isRecord(u) &&
  u["_tag"] === "Thrown" &&
  "value" in u &&
  isRecord(u["own"]) &&
  (u["errors"] === undefined || (Array.isArray(u["errors"]) && u["errors"].every(isThrown))) &&
  (u["cause"] === undefined || isThrown(u["cause"]))

/** Whether a value can be cloned. */
export const canCross = (value: unknown): boolean => {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

/** The parts of a thrown value. A value that can't be cloned crosses as its text. */
export const thrown = (value: unknown): Thrown => parts(value, maxLevels, { errors: maxErrors })

const bare = { _tag: "Thrown", own: {}, errors: undefined, cause: undefined } as const

const parts = (value: unknown, levels: number, left: Left): Thrown => {
  try {
    if (value instanceof Error) return thrownError(value, levels, left)
    return { ...bare, value: canCross(value) ? value : messageOf(value) }
  } catch {
    // The value throws when it is read.
    return { ...bare, value: new Error(messageOf(value)) }
  }
}

const thrownError = (error: Error, levels: number, left: Left): Thrown => {
  const own: Record<string, unknown> = { name: typeof error.name === "string" ? error.name : messageOf(error.name) }
  for (const key of [...Object.keys(error), ...ofSuppressed.filter((key) => Object.hasOwn(error, key))]) {
    const property = crossing(error as unknown as Record<string, unknown>, key)
    if (property !== undefined) own[key] = property
  }
  const errors: unknown = (error as { readonly errors?: unknown }).errors
  const isAggregate = error instanceof AggregateError && Array.isArray(errors) && levels > 0
  const isNested = error.cause instanceof Error && !(error instanceof DOMException) && levels > 0 && --left.errors >= 0
  return {
    _tag: "Thrown",
    value: baseOf(error, !isNested),
    own,
    errors: isAggregate ? partsOfAll(errors, levels - 1, left) : undefined,
    cause: isNested ? parts(error.cause, levels - 1, left) : undefined
  }
}

/** A property that can cross. Undefined for one that can't be cloned or whose getter throws; the others cross without it. */
const crossing = (error: Readonly<Record<string, unknown>>, key: string): unknown => {
  try {
    const property = error[key]
    return canCross(property) ? property : undefined
  } catch {
    return undefined
  }
}

/** An error may contain itself many times. */
const partsOfAll = (errors: ReadonlyArray<unknown>, levels: number, left: Left): ReadonlyArray<Thrown> => {
  const all: Array<Thrown> = []
  for (const error of errors) {
    if (--left.errors < 0) break
    all.push(parts(error, levels, left))
  }
  return all
}

/** The properties of a SuppressedError, which the end of a `using` makes. Not each version of Node has the class. */
const ofSuppressed = ["error", "suppressed"]

const kinds = [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]

/**
 * A plain error of the same kind. A clone of the error itself would be no error if the object only inherits from `Error`,
 * and of the kind `Error` if its class has a name of its own.
 */
const baseOf = (error: Error, withCause: boolean): Error => {
  if (error instanceof DOMException && canCross(error)) return error
  const Kind = kinds.find((kind) => error instanceof kind) ?? Error
  const { cause, message, stack } = error
  const base = new Kind(typeof message === "string" ? message : messageOf(error))
  if (typeof stack === "string") base.stack = stack
  if (withCause && cause !== undefined) base.cause = canCross(cause) ? cause : messageOf(cause)
  return base
}

/** The error of the parts. */
export const rethrown = ({ cause, errors, own, value }: Thrown): unknown => {
  if (!(value instanceof Error)) return value
  const error = errors === undefined ? value : aggregate(value, errors)
  if (cause !== undefined) define(error, "cause", rethrown(cause), false)
  for (const [key, property] of Object.entries(own)) {
    if ((error as unknown as Readonly<Record<string, unknown>>)[key] === property) continue
    define(error, key, property, key !== "name")
  }
  return error
}

const define = (error: Error, key: string, value: unknown, isShown: boolean): void => {
  Object.defineProperty(error, key, { value, enumerable: isShown, writable: true, configurable: true })
}

const aggregate = (value: Error, errors: ReadonlyArray<Thrown>): Error => {
  const error = new AggregateError(errors.map(rethrown), value.message)
  if (typeof value.stack === "string") define(error, "stack", value.stack, false)
  if (value.cause !== undefined) error.cause = value.cause
  return error
}
