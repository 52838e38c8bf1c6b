/**
 * The text of any value: of a reason, a thrown value, a defect or a wrong argument. No function here throws, whatever
 * the value is.
 *
 * Invariants:
 * 1. A text has at most `maxText` characters, one of an error's stack at most `maxTrace`.
 * 2. Making a text reads at most `maxParts` parts of the value, `maxDepth` levels deep. A part that is shared by several
 *    others counts each time.
 * 3. The value's own code runs only for an error's `name`, `message`, `stack` and `cause`, for a `toString` of its own if
 *    the value is small, and for an inspection of its own. Getters of other properties are not called.
 */
import { hasAtMost, isError, isObject } from "./foreignParts.ts"
import * as Redaction from "./redaction.ts"

export const maxText = 4_000
export const maxTrace = 16_000
const maxParts = 200
export const maxDepth = 5

/** A backstop for parts that are slow to read, such as an object with very many keys. */
const maxMillis = 250

const unreadable = "[a value that can't be shown]"

const inspection = Symbol.for("nodejs.util.inspect.custom")

/** The text of a value, as in source code where it is plain data. */
export const textOf = (u: unknown): string => attempt(() => new Text().of(u), maxText)

/** The message of an error, a string as it is, or the text of any other value. */
export const messageOf = (u: unknown): string => attempt(() => ownWords(u, messageOfError), maxText)

/** The stack of an error if there is one, otherwise as `messageOf`. */
export const traceOf = (u: unknown): string => attempt(() => ownWords(u, stackOfError) ?? "", maxTrace)

export const attempt = (make: () => string, most: number): string => {
  try {
    return cut(make(), most)
  } catch {
    return unreadable
  }
}

export const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 4)} ...`

export const stringOr = <A>(read: () => unknown, otherwise: A): string | A => {
  try {
    const u = read()
    return typeof u === "string" && u !== "" ? u : otherwise
  } catch {
    return otherwise
  }
}

type Words = (error: Readonly<Record<"name" | "message" | "stack", unknown>>) => string | undefined

const messageOfError: Words = (error) =>
  stringOr(() => error.message, undefined) ?? stringOr(() => error.name, undefined)

/** Where stacks are mapped to sources, the first read of a stack makes a string of name and message, whatever they are. */
export const stackOf = (error: Readonly<Record<"name" | "message" | "stack", unknown>>): string | undefined =>
  stringOr(() => (isText(error.name) && isText(error.message) ? error.stack : undefined), undefined)

const isText = (u: unknown): boolean => u === undefined || typeof u === "string"

const stackOfError: Words = (error) => stackOf(error) ?? messageOfError(error)

const ownWords = (u: unknown, words: Words): string =>
  (isError(u) ? words(u) : undefined) ?? (typeof u === "string" ? u : new Text().of(u))

/** Writes one text. */
class Text {
  private parts = 0
  private length = 0
  private readonly end = performance.now() + maxMillis
  private readonly ancestors: Array<object> = []

  of(u: unknown): string {
    if (++this.parts > maxParts || this.length > maxText || performance.now() > this.end) return "..."
    const text = isObject(u) ? this.object(u) : primitive(u)
    this.length += text.length
    return text
  }

  private object(u: object): string {
    if (this.ancestors.includes(u)) return "[Circular]"
    if (this.ancestors.length === maxDepth) return Array.isArray(u) ? "[...]" : "{...}"
    this.ancestors.push(u)
    try {
      return this.content(u)
    } catch {
      return unreadable
    } finally {
      this.ancestors.pop()
    }
  }

  private content(u: object): string {
    if (Redaction.isRedactable(u)) return this.of(Redaction.redacted(u))
    if (Array.isArray(u)) return this.list(u)
    const own = ownText(u)
    if (own !== undefined) return own
    if (isError(u)) return this.error(u)
    if (ArrayBuffer.isView(u)) return `${nameOf(u)}(${u.byteLength} bytes)`
    if (u instanceof Map)
      return `Map([${this.all(u, u.size, ([key, value]) => `[${this.of(key)},${this.of(value)}]`)}])`
    if (u instanceof Set) return `Set([${this.all(u, u.size, (value) => this.of(value))}])`
    return this.fields(u)
  }

  /** The indexes are counted, because an array with holes may be as long as no memory is. */
  private list(array: ReadonlyArray<unknown>): string {
    const { length } = array
    return `[${this.all({ [Symbol.iterator]: () => indexes(length) }, length, (index) => this.property(array, index))}]`
  }

  private fields(u: object): string {
    const keys = Reflect.ownKeys(u)
    const fields = this.all(keys, keys.length, (key) => `${keyText(key)}:${this.property(u, key)}`)
    const name = nameOf(u)
    return name === "" || name === "Object" ? `{${fields}}` : `${name}({${fields}})`
  }

  private error(error: Readonly<Record<"name" | "message" | "stack", unknown>>): string {
    const name = stringOr(() => error.name, "Error")
    const message = stringOr(() => error.message, undefined)
    const cause: unknown = Object.getOwnPropertyDescriptor(error, "cause")?.value
    const tail = cause === undefined ? "" : ` (cause: ${this.of(cause)})`
    return cut(`${message === undefined ? name : `${name}: ${message}`}${tail}`, maxText)
  }

  private property(u: object, key: PropertyKey): string {
    const property = Object.getOwnPropertyDescriptor(u, key)
    return property?.get === undefined ? this.of(property?.value) : "[getter]"
  }

  private all<A>(items: Iterable<A>, count: number, text: (item: A) => string): string {
    const texts: Array<string> = []
    for (const item of items) {
      if (texts.length >= maxParts || this.parts >= maxParts || this.length > maxText)
        return [...texts, `... ${count - texts.length} more`].join(",")
      texts.push(text(item))
    }
    return texts.join(",")
  }
}

function* indexes(length: number): Generator<number> {
  for (let index = 0; index < length; index++) yield index
}

/** A bigint beyond this size takes long to print. */
const largest = 1n << 4_096n

const primitive = (u: unknown): string => {
  if (typeof u === "string") return JSON.stringify(cut(u, maxText))
  if (typeof u === "bigint") return u > largest || u < -largest ? "[a bigint of more than 1,000 digits]" : `${u}n`
  return cut(String(u), maxText)
}

const keyText = (key: PropertyKey): string =>
  typeof key === "string" ? JSON.stringify(cut(key, maxText)) : primitive(key)

type Properties = Readonly<Record<PropertyKey, unknown>>

const inherited: ReadonlySet<unknown> = new Set(
  /* @__PURE__ */ [Object.prototype, Array.prototype, Error.prototype].map(
    (prototype) => (prototype as unknown as Properties)["toString"]
  )
)

/** The text that a value makes of itself. */
const ownText = (u: object): string | undefined => {
  if (u instanceof Date) return Number.isNaN(u.getTime()) ? "Invalid Date" : u.toISOString()
  const { ["toString"]: print, [inspection]: inspect } = u as Properties
  if (typeof print === "function" && !inherited.has(print) && isSmall(u)) {
    return cut(
      stringOr(() => Reflect.apply(print, u, []), "[toString threw]"),
      maxText
    )
  }
  // An error of another thread with a class of its own arrives as an object with an inspection and nothing else.
  if (Object.getPrototypeOf(u) !== null || typeof inspect !== "function") return undefined
  const text = stringOr(() => Reflect.apply(inspect, u, []), undefined)
  return text === undefined ? undefined : cut(text, maxText)
}

/**
 * Whether the value has few parts. The `toString` of Effect's data prints all parts, a shared part each time, which can
 * take as long as there are paths.
 */
const isSmall = (u: object): boolean => hasAtMost(u, maxParts, maxDepth * 2)

const nameOf = (u: object): string => {
  const maker = (u as { readonly constructor?: unknown }).constructor
  return typeof maker === "function" ? stringOr(() => maker.name, "") : ""
}
