/**
 * All messages between host and worker. The receiver checks them (`toHost.ts`, `toWorker.ts`). Several messages travel in
 * one array, in order.
 */
import type { LeaseResult } from "@quiesce/core/adapter"
import type { Unwind } from "./handshake.ts"
import type { Trace } from "./trace.ts"

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
      readonly result: LeaseResult
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
export const maxItems = 16_777_216

/** The part of a name that crosses. */
export const cutName = (name: string): string => name.slice(0, maxText)
