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
  (u["errors"] === undefined || (Array.isArray(u["errors"]) && u["errors"].every(isThrown)))

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

const parts = (value: unknown, levels: number, left: Left): Thrown => {
  try {
    if (value instanceof Error) return thrownError(value, levels, left)
    return { _tag: "Thrown", value: canCross(value) ? value : messageOf(value), own: {}, errors: undefined }
  } catch {
    // The value throws when it is read.
    return { _tag: "Thrown", value: new Error(messageOf(value)), own: {}, errors: undefined }
  }
}

const thrownError = (error: Error, levels: number, left: Left): Thrown => {
  const own: Record<string, unknown> = { name: typeof error.name === "string" ? error.name : messageOf(error.name) }
  for (const [key, property] of Object.entries(error)) if (canCross(property)) own[key] = property
  for (const key of ofSuppressed) {
    const property: unknown = Object.hasOwn(error, key) ? (error as unknown as Record<string, unknown>)[key] : undefined
    if (property !== undefined && canCross(property)) own[key] = property
  }
  const errors: unknown = (error as { readonly errors?: unknown }).errors
  const isAggregate = error instanceof AggregateError && Array.isArray(errors) && levels > 0
  return {
    _tag: "Thrown",
    value: baseOf(error),
    own,
    errors: isAggregate ? partsOfAll(errors, levels - 1, left) : undefined
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
const baseOf = (error: Error): Error => {
  if (error instanceof DOMException && canCross(error)) return error
  const Kind = kinds.find((kind) => error instanceof kind) ?? Error
  const { cause, message, stack } = error
  const base = new Kind(typeof message === "string" ? message : messageOf(error))
  if (typeof stack === "string") base.stack = stack
  if (cause !== undefined) base.cause = canCross(cause) ? cause : messageOf(cause)
  return base
}

/** The error of the parts. */
export const rethrown = ({ errors, own, value }: Thrown): unknown => {
  if (!(value instanceof Error)) return value
  const error = errors === undefined ? value : aggregate(value, errors)
  for (const [key, property] of Object.entries(own)) {
    if ((error as unknown as Readonly<Record<string, unknown>>)[key] === property) continue
    const isShown = key !== "name"
    Object.defineProperty(error, key, { value: property, enumerable: isShown, writable: true, configurable: true })
  }
  return error
}

const aggregate = (value: Error, errors: ReadonlyArray<Thrown>): Error => {
  const error = new AggregateError(errors.map(rethrown), value.message)
  if (typeof value.stack === "string")
    Object.defineProperty(error, "stack", { value: value.stack, writable: true, configurable: true })
  if (value.cause !== undefined) error.cause = value.cause
  return error
}
