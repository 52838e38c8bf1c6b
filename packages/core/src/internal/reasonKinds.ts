/**
 * The kinds of reasons: their tags and fields. A foreign value, such as an error of a user that is tagged `TimedOut`, is no
 * reason, because its fields could be neither read nor sent.
 */

/** A reason, as far as its kind needs it. */
interface Reason {
  readonly _tag: string
  readonly message: string
}

type Fields = Readonly<Record<string, unknown>>

/** The field that a kind has beside `message`, `by` and `at`. `Stopped` and `Interrupted` have none, so `by` stands there. */
const fields: ReadonlyMap<unknown, string> = /* @__PURE__ */ new Map([
  ["Stopped", "by"],
  ["Interrupted", "by"],
  ["TimedOut", "millis"],
  ["DeadlineExceeded", "deadline"],
  ["ParentEnded", "parent"],
  ["SiblingFailed", "sibling"],
  ["Shutdown", "signal"],
  ["Moved", "from"],
  ["Lost", "from"],
  ["Aborted", "cause"]
])

const numbers: ReadonlyArray<string> = ["at", "millis", "deadline"]
const optional: ReadonlyArray<string> = ["by", "at", "signal"]

const fits = (given: Fields, field: string): boolean => {
  const value = given[field]
  if (field === "cause") return field in given
  if (value === undefined) return optional.includes(field)
  return typeof value === (numbers.includes(field) ? "number" : "string")
}

/**
 * Throws if the value can't be read. An error is no reason, whatever its tag is: as the `cause` of an `Aborted` the error
 * keeps its stack. Neither is an instance of another class, whose fields may be getters: a copy would lack them.
 */
export const isKind = (u: unknown): boolean => {
  // A part that is not there is undefined. A cancel asks this of an absent value, where a throw would take microseconds.
  const given = u as Fields
  const field = fields.get((u as Fields | null | undefined)?.["_tag"])
  const parent: unknown = field && Object.getPrototypeOf(given)
  return (
    field !== undefined &&
    // A plain object, also one of another realm.
    (parent === null || Object.getPrototypeOf(parent) === null) &&
    ["message", "by", "at", field].every((name) => fits(given, name))
  )
}

/** A copy of a reason with the fields of its kind alone. Another field may be anything, such as a function, which can't be sent. */
export const plain = <R extends Reason>(reason: R): R => {
  // A part that is not there is undefined.
  const given = reason as unknown as Fields
  const copy: Record<string, unknown> = { _tag: reason._tag }
  for (const name of ["message", "by", "at", fields.get(reason._tag) ?? "message"]) {
    if (given[name] !== undefined || name === "cause") copy[name] = given[name]
  }
  // The copy has the fields of the reason's kind.
  return copy as unknown as R
}
