/** Checks the messages that a host receives from its workers. */
import { textOf } from "@quiesce/core/internal/plainText"
import type { LeaseResult } from "@quiesce/core/adapter"
import {
  anything,
  boolean,
  type Check,
  exit,
  integer,
  type Items,
  isTagged,
  items,
  type Kinds,
  oneOf,
  string,
  stringOrNull
} from "./check.ts"
import type { Unwind } from "./handshake.ts"
import { maxItems, maxText, type ToHost } from "./message.ts"

const unwind = oneOf<Unwind>({
  None: { why: string },
  SectionsOnly: { why: string },
  SectionsAndOtherCode: {}
})

const results: ReadonlySet<unknown> = new Set<LeaseResult>(["released", "failed", "timedOut", "lost"])

const result: Check = (u) => results.has(u)

const toHost = items(
  maxItems,
  oneOf<ToHost>({
    Ready: { unwind, problem: stringOrNull },
    Failed: { problem: string },
    ThreadStarted: { threadId: integer },
    ThreadEnded: { threadId: integer },
    Exit: { id: integer, exit },
    Unsendable: { id: integer, problem: string },
    Chunk: { id: integer, values: items(maxItems, anything) },
    Reserved: { raise: integer },
    Raised: { raise: integer, delivered: boolean },
    LeaseHeld: { id: integer, lease: integer, name: string },
    LeaseEnded: { id: integer, lease: integer, result: result, error: stringOrNull },
    Acquire: { id: integer, lease: integer, name: string, payload: anything },
    Release: { id: integer, lease: integer, exit }
  })
)

/** The problem with a value from a worker; undefined if all its messages are of the protocol. */
export const problemToHost = (u: unknown): string | undefined => (toHost(u) ? undefined : problemOf(toHost, u))

/** The words for a value that does not fit: the innermost part that does not fit, and the fields around it. */
const problemOf = (check: Check, u: unknown): string => {
  const { parts } = check
  if (parts === undefined) return `${textOf(u)} in place of ${words.get(check)}`
  return "most" in parts ? problemOfItems(parts, u) : problemOfKinds(parts, u)
}

const words: ReadonlyMap<Check, string> = new Map([
  [integer, "a number"],
  [boolean, "true or false"],
  [string, `a text of at most ${maxText} characters`],
  [stringOrNull, `null or a text of at most ${maxText} characters`],
  [result, "the result of a lease"]
])

const problemOfItems = ({ check, most }: Items, u: unknown): string => {
  if (!Array.isArray(u) || u.length > most) return `${textOf(u)} in place of an array of at most ${most} elements`
  for (let index = 0; index < u.length; index++) {
    if (!Object.hasOwn(u, index)) return "an array with holes"
    if (!check(u[index])) return problemOf(check, u[index])
  }
  return "an array that has changed"
}

const problemOfKinds = ({ fieldsByTag }: Kinds, u: unknown): string => {
  const fields = isTagged(u) ? fieldsByTag.get(u["_tag"]) : undefined
  if (!isTagged(u) || fields === undefined)
    return `${textOf(u)}, which has none of the tags ${[...fieldsByTag.keys()].join(", ")}`
  for (const [field, check] of fields) {
    if (!Object.hasOwn(u, field)) return `${textOf(u)} without "${field}"`
    if (!check(u[field])) return `${problemOf(check, u[field])} in "${field}"`
  }
  return `${textOf(u)}, which has not the fields of its kind`
}

/** A worker has sent a value outside the protocol. */
export class BadMessage extends Error {}

/** The messages in a value that a worker sent. Throws `BadMessage` if any of them is not of the protocol. */
export const messagesToHost = (u: unknown): ReadonlyArray<ToHost> => {
  const messages = decodeToHost(u)
  if (messages === undefined) throw new BadMessage(`it sent a message outside the protocol: ${problemOf(toHost, u)}`)
  return messages
}

/** The messages in a received value; undefined if any of them is not of the protocol. */
export const decodeToHost = (u: unknown): ReadonlyArray<ToHost> | undefined =>
  // Each element has passed the check of its tag.
  toHost(u) ? (u as ReadonlyArray<ToHost>) : undefined
