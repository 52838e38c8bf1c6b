/**
 * Events and exits on their way from the worker.
 *
 * Invariant: one object there is one object here, because the laws compare exits and reasons by identity. Equal reasons are
 * one object, because the host has its own copy of its requests' reasons.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ThreadError from "@quiesce/core/ThreadError"
import { plainReason } from "@quiesce/core/internal"
import type { AnyExit, Ended } from "@quiesce/testing/laws/Outcome"
import type { Event } from "@quiesce/testing/laws/Trace"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"

type Reason = CancelReason.CancelReason

type EncodedReason =
  | { readonly _tag: "Interrupt"; readonly reason: Reason | undefined }
  | { readonly _tag: "Fail"; readonly text: string }
  | { readonly _tag: "Die"; readonly text: string; readonly error: ThreadError.ThreadErrorReason | undefined }

/** An object, with its content at its first mention only. */
interface EncodedExit {
  readonly id: number
  readonly content: { readonly value: string } | { readonly reasons: ReadonlyArray<EncodedReason> } | undefined
}

/** An event with its number in the order of all events, and with encoded exits. */
export interface EncodedEvent {
  readonly sequence: number
  readonly event: Readonly<Record<string, unknown>>
}

export interface EncodedEnded {
  readonly name: string
  readonly scope: string
  readonly exit: EncodedExit | undefined
  readonly reason: Reason | undefined
  readonly signalReason: Reason | undefined
}

const exitFields = ["exit", "result"] as const

/** A reason of a program may have parts that can't be cloned. */
const sendable = (reason: Reason | undefined): Reason | undefined =>
  reason === undefined ? undefined : plainReason(reason)

/** The worker's side. */
export class Encoder {
  private readonly ids: Map<AnyExit, number> = new Map()

  event(sequence: number, event: Event): EncodedEvent {
    const encoded: Record<string, unknown> = { ...event }
    for (const field of exitFields) {
      if (encoded[field] !== undefined) encoded[field] = this.exit(encoded[field] as AnyExit)
    }
    if ("reason" in event) encoded["reason"] = sendable(event.reason)
    return { sequence, event: encoded }
  }

  ended({ exit, name, reason, scope, signalReason }: Ended): EncodedEnded {
    return {
      name,
      scope,
      exit: exit === undefined ? undefined : this.exit(exit),
      reason: sendable(reason),
      signalReason: sendable(signalReason)
    }
  }

  private exit(exit: AnyExit): EncodedExit {
    const known = this.ids.get(exit)
    if (known !== undefined) return { id: known, content: undefined }
    const id = this.ids.size
    this.ids.set(exit, id)
    if (Exit.isSuccess(exit)) return { id, content: { value: String(exit.value) } }
    return { id, content: { reasons: exit.cause.reasons.map(encodeReason) } }
  }
}

const encodeReason = (reason: Cause.Reason<unknown>): EncodedReason => {
  if (Cause.isFailReason(reason)) return { _tag: "Fail", text: String(reason.error) }
  if (Cause.isDieReason(reason)) {
    const { defect } = reason
    return {
      _tag: "Die",
      text: String(defect),
      error: ThreadError.isThreadError(defect) ? defect.reason : undefined
    }
  }
  const found = CancelReason.fromCause(Cause.fromReasons([reason]))
  return { _tag: "Interrupt", reason: sendable(Option.getOrUndefined(found)) }
}

/** The host's side. */
export class Decoder {
  private readonly exits: Map<number, AnyExit> = new Map()
  private readonly reasons: Map<string, Reason> = new Map()

  /** The host's object for a reason, which stands for all equal reasons. */
  know(reason: Reason): void {
    this.reasons.set(keyOf(reason), reason)
  }

  event({ event }: EncodedEvent): Event {
    const decoded: Record<string, unknown> = { ...event }
    for (const field of exitFields) {
      if (decoded[field] !== undefined) decoded[field] = this.exit(decoded[field] as EncodedExit)
    }
    if (decoded["reason"] !== undefined) decoded["reason"] = this.reason(decoded["reason"] as Reason)
    // Each was an event before it was encoded.
    return decoded as unknown as Event
  }

  ended({ exit, name, reason, scope, signalReason }: EncodedEnded): Ended {
    return {
      name,
      scope,
      exit: exit === undefined ? undefined : this.exit(exit),
      reason: this.reason(reason),
      signalReason: this.reason(signalReason)
    }
  }

  private exit({ content, id }: EncodedExit): AnyExit {
    const known = this.exits.get(id)
    if (known !== undefined) return known
    const exit: AnyExit =
      content === undefined || "value" in content
        ? Exit.succeed(content?.value)
        : Exit.failCause(Cause.fromReasons(content.reasons.map((reason) => this.cause(reason))))
    this.exits.set(id, exit)
    return exit
  }

  private cause(encoded: EncodedReason): Cause.Reason<unknown> {
    switch (encoded._tag) {
      case "Fail":
        return Cause.makeFailReason(encoded.text)
      case "Die":
        return Cause.makeDieReason(encoded.error === undefined ? encoded.text : ThreadError.make(encoded.error))
      case "Interrupt": {
        const reason = this.reason(encoded.reason)
        return reason === undefined ? Cause.makeInterruptReason() : CancelReason.toCause(reason).reasons[0]!
      }
    }
  }

  private reason<R extends Reason | undefined>(reason: R): R {
    if (reason === undefined) return reason
    const key = keyOf(reason)
    const known = this.reasons.get(key)
    // The reason under this key is equal.
    if (known !== undefined) return known as R
    this.reasons.set(key, reason)
    return reason
  }
}

const keyOf = (reason: Reason): string =>
  JSON.stringify(
    Object.entries(reason)
      .filter(([, value]) => value !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
  )
