/** Exits and reasons of a plain function, as the host decodes them. Nothing here loads Effect. */
import type { CancelReason } from "@quiesce/core/CancelReason"
import type { Happening } from "@quiesce/testing/laws/Trace"
import type { EncodedEvent } from "../workers/wire.ts"

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The reason of the error that a token or a signal throws. */
export const reasonOf = (error: unknown): CancelReason | undefined =>
  error instanceof Error && error.name === "AbortError" && "reason" in error
    ? // The errors of this name have a reason.
      (error.reason as CancelReason)
    : undefined

/** A token has this reason until the message with the reason has arrived. */
const isPending = ({ message }: CancelReason): boolean => message.startsWith("Cancelled from outside; the reason")

/** The reason, if it is known. */
export const known = (reason: CancelReason | undefined): CancelReason | undefined =>
  reason === undefined || isPending(reason) ? undefined : reason

/** A happening of a function. The end of a body has the thrown error, or undefined after a success. */
export type PlainHappening =
  | Exclude<Happening, { readonly _tag: "BodyEnded" }>
  | { readonly _tag: "BodyEnded"; readonly thread: string; readonly error: unknown }

let lastExit = 0

export const encoded = (sequence: number, at: number, happening: PlainHappening): EncodedEvent => {
  if (happening._tag !== "BodyEnded") return { sequence, event: { at, ...happening } }
  const { error, ...event } = happening
  const reason = reasonOf(error)
  const content =
    error === undefined
      ? { value: "undefined" }
      : { reasons: [reason === undefined ? { _tag: "Fail", text: messageOf(error) } : { _tag: "Interrupt", reason }] }
  return { sequence, event: { at, ...event, exit: { id: ++lastExit, content } } }
}
