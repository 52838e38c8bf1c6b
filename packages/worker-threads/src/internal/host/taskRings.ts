/**
 * The host's ends of the rings to and from a worker. Small tasks go through the ring of starts. Through the ring of
 * values come the small values of tasks, their leases and their exits, until a task has sent a message another way.
 *
 * Invariant: while values come, they are read, and other work of the event loop gets its turns. After `close` no value
 * comes.
 *
 * Nothing here loads Effect.
 */
import type { MessagePort, Transferable } from "node:worker_threads"
import { wakeUp } from "../wire/handshake.ts"
import { BadWords } from "../wire/plainData.ts"
import * as Ring from "../wire/ring.ts"
import * as RingEntry from "../wire/ringEntry.ts"
import { AnswerWatch } from "./answerWatch.ts"

/**
 * How long values are read before other work gets a turn, in milliseconds, and how many values are read before that
 * time is checked.
 */
const budgetMillis = 1
const valuesAtOnce = 64

export interface Listener {
  readonly ended: (id: number, value: unknown) => void
  /** The task was interrupted as the host has asked. */
  readonly interrupted: (id: number) => void
  /** A list with one message, which is not checked. */
  readonly sent: (messages: ReadonlyArray<unknown>) => void
  /** The ring of values has content that is not of the protocol. */
  readonly fail: (problem: string) => void
}

export class TaskRings {
  /** The memory that the worker gets in its handshake. */
  readonly memory: { readonly starts: SharedArrayBuffer; readonly values: SharedArrayBuffer }
  private readonly starts: Ring.RousingWriter
  private readonly values: Ring.RingReader
  private readonly indexes: ReadonlyMap<string, number>
  private readonly port: MessagePort
  /** Changes when a pool takes over a worker that was started before. */
  listener: Listener
  private isClosed = false
  private readonly watch: AnswerWatch

  /** `names` are the tasks of the contract, in the order of the handshake. */
  constructor(names: ReadonlyArray<string>, port: MessagePort, listener: Listener) {
    this.memory = { starts: Ring.make(), values: Ring.make() }
    this.starts = new Ring.RousingWriter(this.memory.starts)
    this.values = new Ring.RingReader(this.memory.values)
    this.indexes = new Map(names.map((name, index) => [name, index]))
    this.port = port
    this.listener = listener
    this.watch = new AnswerWatch(this.values, (isNewTurn) => this.answered(isNewTurn))
  }

  /**
   * False if the task has to be sent as a message. `isAlone`: the worker has no other task, so that this thread watches for
   * its answer.
   */
  start(id: number, slot: number, name: string, payload: unknown, isAlone: boolean = false): boolean {
    const index = this.indexes.get(name)
    if (index === undefined || !this.starts.write(id, slot, index, payload)) return false
    if (isAlone) this.watch.prepare()
    if (this.starts.mustWake()) this.port.postMessage(wakeUp)
    if (isAlone) this.watch.begin()
    return true
  }

  /** Posts to the worker, also if the worker waits blocked for its next start. */
  postMessage(message: unknown, transfers: Array<Transferable>): void {
    this.port.postMessage(message, transfers)
    this.starts.rouse()
  }

  /** Reads values while there are any, then sleeps. */
  read(millis: number = budgetMillis): void {
    this.watch.turned()
    this.readFor(millis)
  }

  private answered(isNewTurn: boolean): void {
    if (this.isClosed) return
    if (isNewTurn) this.read()
    else this.readFor(budgetMillis)
  }

  private readFor(millis: number): void {
    const end = performance.now() + millis
    let isAwake = true
    try {
      const isGood = this.reading(() => {
        while (isAwake && performance.now() < end) {
          isAwake = this.values.read(this.take, valuesAtOnce) > 0 || !this.values.sleep()
        }
      })
      isAwake &&= isGood
    } finally {
      // Also if the listener has thrown.
      if (isAwake && !this.isClosed) setImmediate(this.readMore)
    }
  }

  /** False after data outside the protocol. */
  private reading(read: () => void): boolean {
    try {
      read()
      return true
    } catch (cause) {
      if (!(cause instanceof BadWords)) throw cause
      this.listener.fail(`it wrote data outside the protocol into shared memory: ${cause.message}`)
      return false
    }
  }

  private readonly readMore = (): void => {
    if (!this.isClosed) this.read()
  }

  /** The worker is gone: reads the remaining values. */
  close(): void {
    this.drop()
    this.read(Infinity)
  }

  /** The remaining values don't count. */
  drop(): void {
    this.isClosed = true
  }

  /** Reads all that was written until now. */
  readAll(): void {
    this.reading(() => this.values.read(this.take, Infinity))
  }

  private readonly take: Ring.Take = (id, kind, lease, value) => {
    if (kind === RingEntry.value) this.listener.ended(id, value)
    else if (RingEntry.isInterrupted(kind, lease, value)) this.listener.interrupted(id)
    else this.listener.sent([RingEntry.messageOf(id, kind, lease, value)])
  }
}
