/**
 * The worker's side of the one place where the laws reach into the package of workers: shortens the grace of the section
 * that runs, so that an end of a loop takes milliseconds.
 */
import { workerData } from "node:worker_threads"
import * as ControlBlock from "../../../worker-threads/src/internal/wire/controlBlock.ts"
import { handshakeOf } from "../../../worker-threads/src/internal/wire/handshake.ts"

const graceMillis = 5

export const shortenGrace = (): (() => void) => {
  const handshake = handshakeOf(workerData)
  if (handshake === undefined) throw new Error("Only a pool of plain functions starts this worker")
  const { words } = ControlBlock.fromBuffer(handshake.control)
  const before = Atomics.exchange(words, ControlBlock.word.sectionGrace, graceMillis)
  return () => void Atomics.store(words, ControlBlock.word.sectionGrace, before)
}
