/**
 * The host's ends of the lines to one worker: the port, the shared memory and the rings. They are made before the worker is
 * started. Nothing here loads Effect.
 */
import { MessageChannel, type MessagePort, type Worker } from "node:worker_threads"
import * as ControlBlock from "../wire/controlBlock.ts"
import type { Handshake } from "../wire/handshake.ts"
import { type Listener, TaskRings } from "./taskRings.ts"

export interface WorkerEnds {
  readonly port: MessagePort
  readonly control: ControlBlock.ControlBlock
  readonly rings: TaskRings
  /** The part of the handshake that has the other ends, but for the port. */
  readonly given: Pick<Handshake, "starts" | "values" | "names" | "control" | "concurrency">
  /** The worker's end of the port. */
  readonly remote: MessagePort
}

/**
 * `concurrency`: how many tasks the worker runs at a time. `names`: the tasks that can use the rings. `ahead`: how many more
 * tasks may wait in the worker.
 */
export const make = (
  concurrency: number,
  names: ReadonlyArray<string>,
  listener: Listener,
  ahead: number = 0
): WorkerEnds => {
  const { port1, port2 } = new MessageChannel()
  const control = ControlBlock.make(concurrency + ahead)
  const rings = new TaskRings(names, port1, listener)
  const given = { ...rings.memory, names, control: control.buffer, concurrency }
  return { port: port1, control, rings, given, remote: port2 }
}

/** The numbers of the slots, the first one last. */
export const slotsOf = (concurrency: number): Array<number> =>
  Array.from({ length: concurrency }, (_, index) => concurrency - 1 - index)

/**
 * The slots of a worker that have no task.
 *
 * Invariant: there are at most as many as the worker can run further tasks. A worker that is taken over may have more slots,
 * and may have gone on to a call before the end of the call before it has arrived.
 */
export class FreeSlots {
  private readonly concurrency: number
  private readonly slots: Array<number>

  constructor(concurrency: number, slots: Array<number>) {
    this.concurrency = concurrency
    this.slots = slots
  }

  get size(): number {
    return this.slots.length
  }

  /** Takes a slot. There must be one. */
  take(): number {
    return this.slots.pop()!
  }

  /** Adds the slot of a task that has ended, while so many tasks run. */
  add(slot: number, running: number): void {
    if (running + this.slots.length < this.concurrency) this.slots.push(slot)
  }
}

/** The events of a worker and of its port. */
export interface WorkerEvents {
  readonly onMessage: (raw: unknown) => void
  readonly onUnreadable: () => void
  readonly onPortClosed: () => void
  readonly onError: (error: unknown) => void
  readonly onExit: (code: number) => void
  /** The worker has written data outside the protocol. */
  readonly refuse: (problem: string) => void
}

/** A worker that was started before its pool. */
export interface StartedWorker {
  readonly worker: Worker
  /** Node's number of the worker, also after its end. */
  readonly threadId: number
  readonly ends: WorkerEnds
  readonly wasReady: boolean
  /** Whether the worker has ended. */
  readonly isGone: boolean
  /** The slots without a task. The pool uses no more than it runs tasks at a time. */
  readonly slots: Array<number>
  /** See `SlotTable`. */
  readonly turn: number
  /** The events that the pool has to receive, in order. */
  readonly events: ReadonlyArray<(to: WorkerEvents) => void>
}

/** Listens to a worker and its port. The returned function removes the listeners. */
export const listen = (worker: Worker, port: MessagePort, to: WorkerEvents): (() => void) => {
  port.on("message", to.onMessage).on("messageerror", to.onUnreadable).on("close", to.onPortClosed)
  worker.on("error", to.onError).on("messageerror", to.onUnreadable).on("exit", to.onExit)
  port.unref()
  return () => {
    port.off("message", to.onMessage).off("messageerror", to.onUnreadable).off("close", to.onPortClosed)
    worker.off("error", to.onError).off("messageerror", to.onUnreadable).off("exit", to.onExit)
  }
}
