/**
 * Checks the envelope of messages: each message has exactly the fields of its kind, each field of its type, and lengths
 * are bounded. The contents of a task, which may be anything, are checked by the Schemas of the contract.
 *
 * A check says only whether a value fits, because a worker ignores messages that do not fit. The host looks for the words
 * of the problem in the parts of a check: see `toHost.ts`.
 */
import { type EncodedExit, type EncodedReason, maxReasons, maxText } from "./message.ts"

export interface Check {
  (u: unknown): boolean
  readonly parts?: Items | Kinds
}

export type Fields = ReadonlyArray<readonly [field: string, check: Check]>

/** The parts of an array, and those of an object with a tag. */
export interface Items {
  readonly most: number
  readonly check: Check
}
export interface Kinds {
  readonly fieldsByTag: ReadonlyMap<unknown, Fields>
}

export const anything: Check = () => true
export const integer: Check = (u) => Number.isSafeInteger(u) && (u as number) >= 0
export const boolean: Check = (u) => typeof u === "boolean"
export const string: Check = (u) => typeof u === "string" && u.length <= maxText
export const stringOrNull: Check = (u) => u === null || string(u)

/** The elements are checked one after the other, because an array with holes may be as long as no memory is. */
export const items = (most: number, check: Check): Check => {
  const fits = (u: unknown): boolean => {
    if (!Array.isArray(u) || u.length > most) return false
    for (let index = 0; index < u.length; index++) {
      const element: unknown = u[index]
      if ((element === undefined && !Object.hasOwn(u, index)) || !check(element)) return false
    }
    return true
  }
  return Object.assign(fits, { parts: { most, check } })
}

/** The fields of each kind. */
type KindsOf<Message extends { readonly _tag: string }> = {
  readonly [Tag in Message["_tag"]]: {
    readonly [Field in Exclude<keyof Extract<Message, { readonly _tag: Tag }>, "_tag">]: Check
  }
}

/** An object with a tag and exactly the fields of its kind. */
export const oneOf = <Message extends { readonly _tag: string }>(kinds: KindsOf<Message>): Check => {
  const fieldsByTag: ReadonlyMap<unknown, Fields> = new Map(
    Object.entries<Readonly<Record<string, Check>>>(kinds).map(([tag, of]) => [tag, Object.entries(of)])
  )
  const fits = (u: unknown): boolean => {
    if (!isTagged(u)) return false
    const fields = fieldsByTag.get(u["_tag"])
    if (fields === undefined || Object.keys(u).length !== fields.length + 1) return false
    for (const [field, check] of fields) if (!Object.hasOwn(u, field) || !check(u[field])) return false
    return true
  }
  return Object.assign(fits, { parts: { fieldsByTag } })
}

export const isTagged = (u: unknown): u is Readonly<Record<string, unknown>> =>
  typeof u === "object" && u !== null && Object.hasOwn(u, "_tag")

const reason = /* @__PURE__ */ oneOf<EncodedReason>({
  Fail: { error: anything },
  Die: { defect: anything },
  Interrupt: { reason: anything },
  Killed: { reason: anything, thread: string, lost: /* @__PURE__ */ items(maxReasons, string) }
})

export const exit: Check = /* @__PURE__ */ oneOf<EncodedExit>({
  Success: { value: anything },
  Failure: { cause: /* @__PURE__ */ items(maxReasons, reason) }
})
