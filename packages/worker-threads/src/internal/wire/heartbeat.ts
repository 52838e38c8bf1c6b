/**
 * Whether a worker's event loop takes messages. Each message makes the heartbeat in the control block rise.
 *
 * Code that lets the event loop take messages needs no halt: an interrupt reaches it as a message.
 */
import { type ControlBlock, word } from "./controlBlock.ts"

/** Sends the worker a message. The result says whether the worker has taken a message since then. */
export type Heartbeat = () => () => boolean

/** `wake` sends a message without content. */
export const make =
  ({ words }: ControlBlock, wake: () => void): Heartbeat =>
  () => {
    const before = Atomics.load(words, word.heartbeat)
    wake()
    return () => Atomics.load(words, word.heartbeat) !== before
  }

/** For a worker without a control block: its event loop counts as blocked. */
export const none: Heartbeat = () => () => false
