/**
 * All messages between host and worker. The receiver decodes them. Several messages travel in one array, in order.
 *
 * The envelope is checked here: each message has exactly the fields of its kind, each field of its type, and lengths
 * are bounded. The contents of a task, which may be anything, are checked by the Schemas of the contract.
 */
import { textOf } from "@quiesce/core/internal/plain"
import type { LeaseResult } from "@quiesce/core/adapter"
import type { Unwind } from "./handshake.ts"
import { isTrace, type Trace } from "./trace.ts"

/** An interruption, a failure or a defect, with its content encoded. */
export type EncodedReason =
  | { readonly _tag: "Fail"; readonly error: unknown }
  | { readonly _tag: "Die"; readonly defect: unknown }
  | { readonly _tag: "Interrupt"; readonly reason: unknown }
  /** An interruption in which a thread was ended by force, such as a thread that the task had started and joined. */
  | {
      readonly _tag: "Killed"
      readonly reason: unknown
      readonly thread: string
      readonly lost: ReadonlyArray<string>
    }

export type EncodedExit =
  | { readonly _tag: "Success"; readonly value: unknown }
  | { readonly _tag: "Failure"; readonly cause: ReadonlyArray<EncodedReason> }

export type ToWorker =
  | {
      readonly _tag: "Start"
      readonly id: number
      readonly slot: number
      readonly task: string
      readonly name: string
      readonly payload: unknown
      /** Null if the caller has no tracer. */
      readonly trace: Trace | null
    }
  | { readonly _tag: "Stop"; readonly id: number; readonly reason: unknown }
  /** The host adds the tasks that it interrupts for the same reason before the message is posted. */
  | { readonly _tag: "Interrupt"; readonly ids: Array<number>; readonly reason: unknown }
  | { readonly _tag: "Raise"; readonly id: number; readonly raise: number; readonly error: unknown }
  | { readonly _tag: "Withdraw"; readonly raise: number }
  /** The error may be delivered: nothing withdraws it any more. */
  | { readonly _tag: "Commit"; readonly raise: number }
  /** The stream of a task may send `count` more chunks. */
  | { readonly _tag: "Pull"; readonly id: number; readonly count: number }
  /** The host keeps the lease, or acquiring it has failed. */
  | { readonly _tag: "Acquired"; readonly id: number; readonly lease: number; readonly exit: EncodedExit }
  /** The host refuses the lease. `unknown`: no pool above has a handler for it. */
  | {
      readonly _tag: "Refused"
      readonly id: number
      readonly lease: number
      readonly problem: string
      readonly unknown: boolean
    }
  /** The host keeps no lease under that number any more. */
  | { readonly _tag: "Released"; readonly id: number; readonly lease: number; readonly problem: string | null }
  /** The run of a section was ended by force. */
  | { readonly _tag: "Unwound"; readonly run: number }
  /** The code of a task's fibers was ended by force, outside sections. The task may have ended. */
  | { readonly _tag: "Repair"; readonly id: number }
  | { readonly _tag: "Close" }

export type ToHost =
  /**
   * `unwind`: the code that can be ended in this worker. `problem` names the private part of Effect that is not as
   * expected, and the feature that the worker lacks for that reason; null if all parts are as expected.
   */
  | { readonly _tag: "Ready"; readonly unwind: Unwind; readonly problem: string | null }
  | { readonly _tag: "Failed"; readonly problem: string }
  /** A thread below the worker was started or has ended. */
  | { readonly _tag: "ThreadStarted"; readonly threadId: number }
  | { readonly _tag: "ThreadEnded"; readonly threadId: number }
  | { readonly _tag: "Exit"; readonly id: number; readonly exit: EncodedExit }
  /** The task has ended, and its value or error can't be sent. */
  | { readonly _tag: "Unsendable"; readonly id: number; readonly problem: string }
  | { readonly _tag: "Chunk"; readonly id: number; readonly values: ReadonlyArray<unknown> }
  /** A handler would accept the error, and waits for its `Commit` or `Withdraw`. */
  | { readonly _tag: "Reserved"; readonly raise: number }
  | { readonly _tag: "Raised"; readonly raise: number; readonly delivered: boolean }
  /** A task holds a lease from now on. If the worker is lost, the host reports the lease as lost. */
  | { readonly _tag: "LeaseHeld"; readonly id: number; readonly lease: number; readonly name: string }
  | {
      readonly _tag: "LeaseEnded"
      readonly id: number
      readonly lease: number
      readonly fate: LeaseResult
      readonly error: string | null
    }
  /** Asks the host to acquire a lease for a task and to keep it. */
  | {
      readonly _tag: "Acquire"
      readonly id: number
      readonly lease: number
      readonly name: string
      readonly payload: unknown
    }
  /** Asks the host to release the lease or to stop acquiring it. `exit` is the exit of the lease's scope. */
  | { readonly _tag: "Release"; readonly id: number; readonly lease: number; readonly exit: EncodedExit }

/** How many reasons of a Cause are sent. */
export const maxReasons = 10_000

/** How long a name or a problem may be, and how many messages or values one array may have. */
export const maxText = 32_768
const maxItems = 2 ** 24

/** The problem with a value; undefined if there is none. */
type Check = (u: unknown) => string | undefined

const expected = (what: string, u: unknown): string => `${textOf(u)} in place of ${what}`

const anything: Check = () => undefined
const integer: Check = (u) => (Number.isSafeInteger(u) && (u as number) >= 0 ? undefined : expected("a number", u))
const boolean: Check = (u) => (typeof u === "boolean" ? undefined : expected("true or false", u))

const string: Check = (u) => {
  if (typeof u !== "string") return expected("a text", u)
  return u.length <= maxText ? undefined : `a text of ${u.length} characters`
}

const stringOrNull: Check = (u) => (u === null ? undefined : string(u))

/** The elements are checked one after the other, because an array with holes may be as long as no memory is. */
const items =
  (most: number, check: Check): Check =>
  (u) => {
    if (!Array.isArray(u)) return expected("an array", u)
    if (u.length > most) return `an array of ${u.length} elements`
    for (let index = 0; index < u.length; index++) {
      const element: unknown = u[index]
      if (element === undefined && !Object.hasOwn(u, index)) return "an array with holes"
      const problem = check(element)
      if (problem !== undefined) return problem
    }
    return undefined
  }

/** The fields of each kind. */
type Kinds<Message extends { readonly _tag: string }> = {
  readonly [Tag in Message["_tag"]]: {
    readonly [Field in Exclude<keyof Extract<Message, { readonly _tag: Tag }>, "_tag">]: Check
  }
}

/** An object with a tag and exactly the fields of its kind. */
const oneOf = <Message extends { readonly _tag: string }>(kinds: Kinds<Message>): Check => {
  const fieldsByTag = new Map(
    Object.entries<Readonly<Record<string, Check>>>(kinds).map(([tag, of]) => [tag, Object.entries(of)])
  )
  return (u) => {
    if (typeof u !== "object" || u === null) return expected("a tagged object", u)
    const fields = Object.hasOwn(u, "_tag") ? fieldsByTag.get((u as { readonly _tag: string })._tag) : undefined
    if (fields === undefined) return `${textOf(u)}, which has none of the tags ${[...fieldsByTag.keys()].join(", ")}`
    if (Object.keys(u).length !== fields.length + 1) return `${textOf(u)}, which has not the fields of its kind`
    for (const [field, check] of fields) {
      if (!Object.hasOwn(u, field)) return `${textOf(u)} without "${field}"`
      const problem = check((u as Readonly<Record<string, unknown>>)[field])
      if (problem !== undefined) return `${problem} in "${field}"`
    }
    return undefined
  }
}

const reason = oneOf<EncodedReason>({
  Fail: { error: anything },
  Die: { defect: anything },
  Interrupt: { reason: anything },
  Killed: { reason: anything, thread: string, lost: items(maxReasons, string) }
})

const exit = oneOf<EncodedExit>({ Success: { value: anything }, Failure: { cause: items(maxReasons, reason) } })

const unwind = /* @__PURE__ */ oneOf<Unwind>({
  None: { why: string },
  SectionsOnly: { why: string },
  SectionsAndOtherCode: {}
})

const fates: ReadonlySet<unknown> = /* @__PURE__ */ new Set<LeaseResult>(["released", "failed", "timedOut", "lost"])

const fate: Check = (u) => (fates.has(u) ? undefined : expected("the result of a lease", u))

const trace: Check = (u) => (u === null || isTrace(u) ? undefined : expected("the place of a span", u))

const toWorker = items(
  maxItems,
  oneOf<ToWorker>({
    Start: { id: integer, slot: integer, task: string, name: string, payload: anything, trace },
    Stop: { id: integer, reason: anything },
    Interrupt: { ids: items(maxItems, integer), reason: anything },
    Raise: { id: integer, raise: integer, error: anything },
    Commit: { raise: integer },
    Withdraw: { raise: integer },
    Pull: { id: integer, count: integer },
    Acquired: { id: integer, lease: integer, exit },
    Refused: { id: integer, lease: integer, problem: string, unknown: boolean },
    Released: { id: integer, lease: integer, problem: stringOrNull },
    Unwound: { run: integer },
    Repair: { id: integer },
    Close: {}
  })
)

// A worker's bundle drops these checks.
const toHost = /* @__PURE__ */ items(
  maxItems,
  /* @__PURE__ */ oneOf<ToHost>({
    Ready: { unwind, problem: stringOrNull },
    Failed: { problem: string },
    ThreadStarted: { threadId: integer },
    ThreadEnded: { threadId: integer },
    Exit: { id: integer, exit },
    Unsendable: { id: integer, problem: string },
    Chunk: { id: integer, values: /* @__PURE__ */ items(maxItems, anything) },
    Reserved: { raise: integer },
    Raised: { raise: integer, delivered: boolean },
    LeaseHeld: { id: integer, lease: integer, name: string },
    LeaseEnded: { id: integer, lease: integer, fate, error: stringOrNull },
    Acquire: { id: integer, lease: integer, name: string, payload: anything },
    Release: { id: integer, lease: integer, exit }
  })
)

/** The problem with a value from a worker; undefined if all its messages are of the protocol. */
export const problemToHost: Check = toHost

/** A worker has sent a value outside the protocol. */
export class BadMessage extends Error {}

/** The messages in a value that a worker sent. Throws `BadMessage` if any of them is not of the protocol. */
export const messagesToHost = (u: unknown): ReadonlyArray<ToHost> => {
  const problem = toHost(u)
  if (problem !== undefined) throw new BadMessage(`it sent a message outside the protocol: ${problem}`)
  // Each element has passed the check of its tag.
  return u as ReadonlyArray<ToHost>
}

/** The messages in a received value; undefined if any of them is not of the protocol. */
export const decodeToWorker = (u: unknown): ReadonlyArray<ToWorker> | undefined =>
  // Each element has passed the check of its tag.
  toWorker(u) === undefined ? (u as ReadonlyArray<ToWorker>) : undefined

export const decodeToHost = (u: unknown): ReadonlyArray<ToHost> | undefined =>
  // Each element has passed the check of its tag.
  toHost(u) === undefined ? (u as ReadonlyArray<ToHost>) : undefined
