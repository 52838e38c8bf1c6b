/**
 * The state of a thread, and its transitions as pure functions.
 *
 * Invariants:
 * 1. Running, then Stopping, then Cancelled, then Settled. States may be left out; none comes back.
 * 2. The first reason never changes. Later reasons are kept, each once.
 * 3. The rung of a Cancelled state only rises.
 * 4. A transition that changes nothing gives the given state itself.
 */
import type { CancelReason } from "../CancelReason.ts"
import { type Rung, rungs } from "./steps.ts"

export type { Rung }

/** A rung that cancels the thread. `stop` only asks. */
export type CancelRung = Exclude<Rung, "stop">

interface Cancelled {
  readonly _tag: "Cancelled"
  readonly reason: CancelReason
  /** The later reasons, each once. */
  readonly later: ReadonlyArray<CancelReason>
  readonly rung: CancelRung
}

interface Settled {
  readonly _tag: "Settled"
  readonly reason: CancelReason | undefined
  /** The highest rung of a request; undefined for a thread that ended by itself. */
  readonly rung: Rung | undefined
  readonly abandoned: boolean
}

export type State =
  | { readonly _tag: "Running" }
  | { readonly _tag: "Stopping"; readonly reason: CancelReason }
  | Cancelled
  | Settled

export const running: State = { _tag: "Running" }

const none: ReadonlyArray<never> = []

/** The first reason for which the thread was asked to end, if there is one. */
export const reasonOf = (state: State): CancelReason | undefined =>
  state._tag === "Running" ? undefined : state.reason

/** All reasons for which the thread was cancelled, the first one first. A settled state keeps only the first. */
export const cancelReasonsOf = (state: State): ReadonlyArray<CancelReason> => {
  if (state._tag === "Cancelled") return state.later.length === 0 ? only(state.reason) : [state.reason, ...state.later]
  return state._tag === "Settled" && isCancelled(state) ? only(state.reason!) : none
}

/** Whether the thread was cancelled. An abandoned thread still counts. */
export const isCancelled = (state: State): boolean =>
  state._tag === "Cancelled" || (state._tag === "Settled" && state.rung !== undefined && state.rung !== "stop")

/** The highest rung of all requests so far, of every caller. */
export const rungOf = (state: State): Rung | undefined => {
  if (state._tag === "Running") return undefined
  return state._tag === "Stopping" ? "stop" : state.rung
}

/** Asks a running thread to stop. */
export const stop = (state: State, reason: CancelReason): State =>
  state._tag === "Running" ? { _tag: "Stopping", reason } : state

/** Cancels a thread on a rung, or raises the rung of a cancelled thread and adds the reason. */
export const cancel = (state: State, rung: CancelRung, reason: CancelReason): State => {
  switch (state._tag) {
    case "Settled":
      return state
    case "Cancelled": {
      const higher = rungs.indexOf(rung) > rungs.indexOf(state.rung) ? rung : state.rung
      const isNew = !same(state.reason, reason) && !state.later.some((other) => same(other, reason))
      if (!isNew && higher === state.rung) return state
      return { ...state, rung: higher, later: isNew ? [...state.later, reason] : state.later }
    }
    case "Stopping":
      return same(state.reason, reason)
        ? cancelled(state.reason, rung)
        : { _tag: "Cancelled", reason: state.reason, later: [reason], rung }
    case "Running":
      return cancelled(reason, rung)
  }
}

/** The reasons that a transition made by `cancel` has added: for a first cancel all reasons, the first one first. */
export const addedReasons = (before: State, after: State): ReadonlyArray<CancelReason> => {
  if (after === before || after._tag !== "Cancelled") return none
  if (before._tag !== "Cancelled") return cancelReasonsOf(after)
  return after.later === before.later ? none : after.later.slice(before.later.length)
}

/** Ends a thread. `abandoned` says that its code may still run. */
export const settle = (state: State, abandoned: boolean): State => {
  switch (state._tag) {
    case "Settled":
      return state
    case "Running":
      return settled(undefined, undefined, abandoned)
    case "Stopping":
      return settled(state.reason, "stop", abandoned)
    case "Cancelled":
      return settled(state.reason, state.rung, abandoned)
  }
}

const same = (a: CancelReason, b: CancelReason): boolean =>
  a === b || (a._tag === b._tag && a.message === b.message && a.by === b.by)

// One request often reaches many threads, so equal values that follow each other are one object.

let lastOnly: readonly [CancelReason] | undefined

const only = (reason: CancelReason): readonly [CancelReason] =>
  lastOnly?.[0] === reason ? lastOnly : (lastOnly = [reason])

let lastCancelled: Cancelled | undefined

const cancelled = (reason: CancelReason, rung: CancelRung): Cancelled =>
  lastCancelled?.reason === reason && lastCancelled.rung === rung
    ? lastCancelled
    : (lastCancelled = { _tag: "Cancelled", reason, later: none, rung })

const finished: Settled = { _tag: "Settled", reason: undefined, rung: undefined, abandoned: false }

let lastSettled = finished

const settled = (reason: CancelReason | undefined, rung: Rung | undefined, abandoned: boolean): Settled => {
  if (reason === undefined && !abandoned) return finished
  return lastSettled.reason === reason && lastSettled.rung === rung && lastSettled.abandoned === abandoned
    ? lastSettled
    : (lastSettled = { _tag: "Settled", reason, rung, abandoned })
}
