/**
 * All messages between host and worker. The receiver decodes them. Several messages travel in one array, in order.
 *
 * The envelope is checked here. The contents of a task are checked by the Schemas of the contract.
 */
import type { LeaseResult } from "@quiesce/core/ThreadAdapter"
import type { Unwind } from "./handshake.ts"

/** An interruption, a failure or a defect, with its content encoded. */
export type EncodedReason =
  | { readonly _tag: "Fail"; readonly error: unknown }
  | { readonly _tag: "Die"; readonly defect: unknown }
  | { readonly _tag: "Interrupt"; readonly reason: unknown }

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
    }
  | { readonly _tag: "Stop"; readonly id: number; readonly reason: unknown }
  | { readonly _tag: "Interrupt"; readonly id: number; readonly reason: unknown }
  | { readonly _tag: "Raise"; readonly id: number; readonly raise: number; readonly error: unknown }
  | { readonly _tag: "Withdraw"; readonly raise: number }
  /** The stream of a task may send `count` more chunks. */
  | { readonly _tag: "Pull"; readonly id: number; readonly count: number }
  /** The host keeps the lease, or acquiring it has failed. */
  | { readonly _tag: "Acquired"; readonly id: number; readonly lease: number; readonly exit: EncodedExit }
  /** The host refuses the lease. */
  | { readonly _tag: "Refused"; readonly id: number; readonly lease: number; readonly problem: string }
  /** The host keeps no lease under that number any more. */
  | { readonly _tag: "Released"; readonly id: number; readonly lease: number; readonly problem: string | null }
  /** The run of a section was ended by force. */
  | { readonly _tag: "Unwound"; readonly run: number }
  /** The code of a task's fibers was ended by force, outside sections. The task may have ended. */
  | { readonly _tag: "Repair"; readonly id: number }
  | { readonly _tag: "Close" }

export type ToHost =
  /**
   * `unwind` is what the worker has found out about itself. `problem` says which private part of Effect is not as
   * expected, and what the worker does without for that reason; null if all of them are.
   */
  | { readonly _tag: "Ready"; readonly unwind: Unwind; readonly problem: string | null }
  | { readonly _tag: "Failed"; readonly problem: string }
  /** A thread below the worker was started or has ended. */
  | { readonly _tag: "ThreadStarted"; readonly threadId: number }
  | { readonly _tag: "ThreadEnded"; readonly threadId: number }
  | { readonly _tag: "Exit"; readonly id: number; readonly exit: EncodedExit }
  | { readonly _tag: "Chunk"; readonly id: number; readonly values: ReadonlyArray<unknown> }
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

type Check = (fields: Readonly<Record<string, unknown>>) => boolean

const integer = (u: unknown): boolean => Number.isSafeInteger(u)
const string = (u: unknown): boolean => typeof u === "string"

const toWorker: Readonly<Record<ToWorker["_tag"], Check>> = {
  Start: (m) => integer(m["id"]) && integer(m["slot"]) && string(m["task"]) && string(m["name"]),
  Stop: (m) => integer(m["id"]),
  Interrupt: (m) => integer(m["id"]),
  Raise: (m) => integer(m["id"]) && integer(m["raise"]),
  Withdraw: (m) => integer(m["raise"]),
  Pull: (m) => integer(m["id"]) && integer(m["count"]),
  Acquired: (m) => integer(m["id"]) && integer(m["lease"]) && isExit(m["exit"]),
  Refused: (m) => integer(m["id"]) && integer(m["lease"]) && string(m["problem"]),
  Released: (m) => integer(m["id"]) && integer(m["lease"]) && (m["problem"] === null || string(m["problem"])),
  Unwound: (m) => integer(m["run"]),
  Repair: (m) => integer(m["id"]),
  Close: () => true
}

const isExit = (u: unknown): boolean =>
  typeof u === "object" &&
  u !== null &&
  "_tag" in u &&
  (u._tag === "Success" || (u._tag === "Failure" && "cause" in u && Array.isArray(u.cause) && u.cause.every(isReason)))

const isReason = (u: unknown): boolean =>
  typeof u === "object" &&
  u !== null &&
  "_tag" in u &&
  (u._tag === "Fail" || u._tag === "Die" || u._tag === "Interrupt")

const isUnwind = (u: unknown): boolean =>
  typeof u === "object" &&
  u !== null &&
  "_tag" in u &&
  (u._tag === "SectionsAndOtherCode" ||
    ((u._tag === "None" || u._tag === "SectionsOnly") && "why" in u && string(u.why)))

const fates: ReadonlySet<unknown> = new Set<LeaseResult>(["released", "failed", "timedOut", "lost"])

const toHost: Readonly<Record<ToHost["_tag"], Check>> = {
  Ready: (m) => isUnwind(m["unwind"]) && (m["problem"] === null || string(m["problem"])),
  Failed: (m) => string(m["problem"]),
  ThreadStarted: (m) => integer(m["threadId"]),
  ThreadEnded: (m) => integer(m["threadId"]),
  Exit: (m) => integer(m["id"]) && isExit(m["exit"]),
  Chunk: (m) => integer(m["id"]) && Array.isArray(m["values"]),
  Raised: (m) => integer(m["raise"]) && typeof m["delivered"] === "boolean",
  LeaseHeld: (m) => integer(m["id"]) && integer(m["lease"]) && string(m["name"]),
  LeaseEnded: (m) =>
    integer(m["id"]) && integer(m["lease"]) && fates.has(m["fate"]) && (m["error"] === null || string(m["error"])),
  Acquire: (m) => integer(m["id"]) && integer(m["lease"]) && string(m["name"]),
  Release: (m) => integer(m["id"]) && integer(m["lease"]) && isExit(m["exit"])
}

/** The messages in a received value; undefined if any of them is not of the protocol. */
const decode = (checks: Readonly<Record<string, Check>>, u: unknown): ReadonlyArray<unknown> | undefined => {
  if (!Array.isArray(u)) return undefined
  for (const message of u) {
    if (typeof message !== "object" || message === null) return undefined
    const fields = message as Readonly<Record<string, unknown>>
    const tag = fields["_tag"]
    const check = typeof tag === "string" && Object.hasOwn(checks, tag) ? checks[tag] : undefined
    if (check?.(fields) !== true) return undefined
  }
  return u
}

export const decodeToWorker = (u: unknown): ReadonlyArray<ToWorker> | undefined =>
  // Each element has passed the check of its tag.
  decode(toWorker, u) as ReadonlyArray<ToWorker> | undefined

export const decodeToHost = (u: unknown): ReadonlyArray<ToHost> | undefined =>
  // Each element has passed the check of its tag.
  decode(toHost, u) as ReadonlyArray<ToHost> | undefined
