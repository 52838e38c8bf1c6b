/** Interrupts tasks: one message has all interrupts of a turn with the same reason. */
import type { ToWorker } from "../wire/message.ts"
import type { HostOutbox } from "./hostOutbox.ts"

/**
 * Puts the interrupt of a task. It joins the last message, if that is an interrupt with the same encoded reason, and so
 * overtakes no other message.
 */
export const put = (outbox: HostOutbox<ToWorker>, id: number, reason: unknown): void => {
  const { last } = outbox
  if (last?._tag === "Interrupt" && last.reason === reason) last.ids.push(id)
  else outbox.putSoon({ _tag: "Interrupt", ids: [id], reason })
}
