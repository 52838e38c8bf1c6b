/**
 * The events of a run, in order, each with its virtual time in milliseconds and its thread.
 *
 * @since 0.1.0
 */
import type * as CancelReason from "@quiesce/core/CancelReason"
import type { LeaseResult } from "@quiesce/core/adapter"
import type * as ShutdownReport from "@quiesce/core/ShutdownReport"
import type * as Exit from "effect/Exit"
import type { Spin } from "./Program.ts"

/**
 * One event. A `kept` lease is kept by the host and outlives its thread. The time of an interruptible acquire is `unsure`.
 * A release that begins names the threads that might use its lease and run `uninterrupted`: its thread, if the scope of the
 * lease is open, and the threads below. When an inner scope closes, no thread is named, because threads of other scopes run on.
 * A lease has `Entered` and `Left` the ledger, if the ledger is observed. `live` names the threads that should have ended
 * by then, `queued` the items in the queue. A busy section has `finished`, has `noticed` its end by its token, was `ended`
 * by force, or has `outlived` the time at which it should have been ended. A thread that settled `elsewhere` ran in another
 * JavaScript thread than its host, which recorded the exit. `EndedThere` is its end where it ran. It comes later, or never,
 * if the host has abandoned the thread. A mask was lost by a `woken` thread if the thread was cancelled before the mask and
 * has not waited since. A thread is `Waiting` for a place when other code is about to ask it to end for the first time:
 * `status` is the thread's status then, and `dumped` its status in a dump. `Placed`: its place is free. `Logged`: the failure
 * of a release was logged.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Event = { readonly at: number; readonly thread: string } & (
  | {
      readonly _tag: "Acquired"
      readonly lease: string
      readonly scope: string
      readonly kept?: boolean
      readonly unsure?: boolean
    }
  | { readonly _tag: "AcquireFailed"; readonly lease: string }
  | {
      readonly _tag: "Releasing"
      readonly lease: string
      readonly reason: CancelReason.CancelReason | undefined
      readonly uninterrupted?: ReadonlyArray<string>
    }
  | { readonly _tag: "Released"; readonly lease: string; readonly how: "ok" | "failed" | "cut" }
  | { readonly _tag: "Entered"; readonly lease: string }
  | { readonly _tag: "Left"; readonly lease: string; readonly fate: LeaseResult; readonly failure: string | null }
  | { readonly _tag: "Spawned"; readonly parent: string; readonly scope: string; readonly late: boolean }
  | { readonly _tag: "Refused"; readonly name: string }
  | { readonly _tag: "Waiting"; readonly status: string; readonly dumped: string }
  | { readonly _tag: "Placed" }
  | { readonly _tag: "Logged" }
  | { readonly _tag: "Started" }
  | { readonly _tag: "BodyEnded"; readonly exit: Exit.Exit<unknown, unknown> }
  | {
      readonly _tag: "Settled"
      readonly exit: Exit.Exit<unknown, unknown>
      readonly reason: CancelReason.CancelReason | undefined
      readonly live: ReadonlyArray<string>
      readonly elsewhere?: boolean
    }
  | { readonly _tag: "EndedThere" }
  | { readonly _tag: "ScopeClosed"; readonly scope: string; readonly live: ReadonlyArray<string> }
  | { readonly _tag: "Passed"; readonly masked: boolean; readonly cancelled: boolean }
  | { readonly _tag: "MaskBroken" }
  | { readonly _tag: "MaskLost"; readonly woken?: boolean }
  | { readonly _tag: "ReasonChanged" }
  | {
      readonly _tag: "Asked"
      readonly id: number
      readonly how: "stop" | "interrupt" | "interruptFork" | "shutdown" | "raise"
      readonly message: string
      readonly wasAlive: boolean
    }
  | {
      readonly _tag: "Returned"
      readonly id: number
      readonly exit: Exit.Exit<unknown, unknown> | undefined
      readonly live: ReadonlyArray<string>
      readonly result: Exit.Exit<unknown, unknown>
    }
  | {
      readonly _tag: "Joined"
      readonly target: string
      readonly exit: Exit.Exit<unknown, unknown>
      readonly timed: boolean
    }
  | { readonly _tag: "JoinChanged"; readonly target: string }
  | { readonly _tag: "Received"; readonly letter: number; readonly region: number }
  | { readonly _tag: "RaiseAnswered"; readonly letter: number; readonly delivered: boolean }
  | { readonly _tag: "RaiseWithdrawn"; readonly letter: number }
  /** `latest`: the deadline if it was set just now. Other code may have blocked the thread since the request for it. */
  | { readonly _tag: "DeadlineBegan"; readonly id: number; readonly due: number; readonly latest: number }
  | {
      readonly _tag: "DeadlineEnded"
      readonly id: number
      readonly due: number
      readonly exceeded: boolean
      readonly interrupted: boolean
    }
  | {
      readonly _tag: "GroupJoined"
      readonly group: number
      readonly policy: string
      readonly exit: Exit.Exit<unknown, unknown>
    }
  | {
      readonly _tag: "MemberEnded"
      readonly group: number
      readonly member: string
      readonly exit: Exit.Exit<unknown, unknown>
    }
  | { readonly _tag: "Sending"; readonly item: number }
  | { readonly _tag: "Sent"; readonly item: number }
  | { readonly _tag: "SendCancelled"; readonly item: number; readonly queued: ReadonlyArray<number> }
  | { readonly _tag: "Taken"; readonly item: number }
  | { readonly _tag: "Spinning"; readonly id: number; readonly how: Spin; readonly shielded: boolean }
  | { readonly _tag: "Spun"; readonly id: number }
  | { readonly _tag: "Polling"; readonly id: number }
  | { readonly _tag: "Polled"; readonly id: number }
  | {
      readonly _tag: "WasBusy"
      readonly due: number | null
      readonly shielded: boolean
      readonly how: "finished" | "noticed" | "ended" | "outlived"
    }
  | { readonly _tag: "Crashing" }
  | { readonly _tag: "Locked" }
  | { readonly _tag: "Unlocked" }
  | { readonly _tag: "PromiseBegan"; readonly id: number; readonly settle: number | null }
  | { readonly _tag: "PromiseAborted"; readonly id: number; readonly reason: CancelReason.CancelReason }
  | { readonly _tag: "PromiseSettled"; readonly id: number }
  | { readonly _tag: "PromiseLeft"; readonly id: number }
  | { readonly _tag: "Reported"; readonly id: number; readonly report: ShutdownReport.ShutdownReport }
)

/**
 * An event without its time.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Happening = Event extends infer One ? (One extends Event ? Omit<One, "at"> : never) : never

/** The events of a trace by kind, computed at the first use. */
const byKind = new WeakMap<ReadonlyArray<Event>, { readonly length: number; readonly kinds: Kinds }>()

type Kinds = ReadonlyMap<Event["_tag"], ReadonlyArray<Event>>

const kindsOf = (events: ReadonlyArray<Event>): Kinds => {
  const known = byKind.get(events)
  if (known !== undefined && known.length === events.length) return known.kinds
  const kinds = new Map<Event["_tag"], Array<Event>>()
  for (const event of events) {
    const same = kinds.get(event._tag)
    if (same === undefined) kinds.set(event._tag, [event])
    else same.push(event)
  }
  byKind.set(events, { length: events.length, kinds })
  return kinds
}

/**
 * The events of one kind.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const only = <Tag extends Event["_tag"]>(
  events: ReadonlyArray<Event>,
  tag: Tag
): ReadonlyArray<Extract<Event, { readonly _tag: Tag }>> =>
  // The events of a kind are stored under its tag.
  (kindsOf(events).get(tag) ?? none) as ReadonlyArray<Extract<Event, { readonly _tag: Tag }>>

const none: ReadonlyArray<Event> = []
