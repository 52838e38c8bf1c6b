/**
 * The entries in the ring of values: the value of a task, or a message about the task in fewer words.
 *
 * A worker writes such messages as long as the task has sent none by its port, because only entries of one way have an order.
 */
import type { ToHost } from "./message.ts"

/** The value of a task that has ended. */
export const value = 0
const exit = 1
const leaseHeld = 2
const leaseEnded = 3
/** The task was interrupted for the first reason that the host has sent, and nothing else happened. Has no content. */
export const interrupted = 4
/** A lease was released. Has no content. */
const leaseReleased = 5

/** A message that the ring may carry. */
export type Carried = Extract<ToHost, { readonly _tag: "Exit" | "LeaseHeld" | "LeaseEnded" }>

/** Writes an entry. False if the ring can't carry the entry. */
type Write = (id: number, kind: number, lease: number, content: unknown) => boolean

/** The entries of a ring are 32 bits wide. */
const maxLease = 2 ** 31 - 1

/** Writes a message. False if it has to go another way. */
export const write = (message: Carried, to: Write): boolean => {
  switch (message._tag) {
    case "Exit":
      return to(message.id, exit, 0, message.exit)
    case "LeaseHeld":
      return message.lease <= maxLease && to(message.id, leaseHeld, message.lease, message.name)
    case "LeaseEnded": {
      const { error, result, id, lease } = message
      if (lease > maxLease) return false
      const isReleased = result === "released" && error === null
      return isReleased ? to(id, leaseReleased, lease, undefined) : to(id, leaseEnded, lease, [result, error])
    }
  }
}

/** Whether an entry says that its task was interrupted as asked. */
export const isInterrupted = (kind: number, lease: number, content: unknown): boolean =>
  kind === interrupted && lease === 0 && content === undefined

/** The message of an entry. The receiver checks the message, because the writer may be broken. */
export const messageOf = (id: number, kind: number, lease: number, content: unknown): unknown => {
  switch (kind) {
    case exit:
      return { _tag: "Exit", id, exit: content }
    case leaseHeld:
      return { _tag: "LeaseHeld", id, lease, name: content }
    case leaseEnded: {
      const [result, error]: ReadonlyArray<unknown> = Array.isArray(content) ? content : []
      return { _tag: "LeaseEnded", id, lease, result, error }
    }
    case leaseReleased:
      if (content === undefined) return { _tag: "LeaseEnded", id, lease, result: "released", error: null }
  }
  return kind
}
