/**
 * The host's ends of the rings to and from a worker: small tasks go through one, and the small values of tasks that have
 * sent nothing else come through the other.
 *
 * Invariants:
 * 1. While values come, they are read; others have their turn all the same. After `close` there are none.
 */
import type { MessagePort } from "node:worker_threads"
import { wakeUp } from "../wire/handshake.ts"
import { BadWords } from "../wire/plainData.ts"
import * as Ring from "../wire/ring.ts"

/** For how long values are read before others have their turn, and how many before that is looked at. */
const budgetMillis = 1
const valuesAtOnce = 64

export interface Listener {
  readonly ended: (id: number, value: unknown) => void
  /** The worker has written what is of nobody's protocol. */
  readonly fail: (problem: string) => void
}

export class TaskRings {
  /** What the worker has to be handed. */
  readonly memory: { readonly starts: SharedArrayBuffer; readonly values: SharedArrayBuffer }
  private readonly starts: Ring.RingWriter
  private readonly values: Ring.RingReader
  private readonly indexes: ReadonlyMap<string, number>
  private readonly port: MessagePort
  private readonly listener: Listener
  private isClosed = false

  /** `names` are the tasks of the contract, in the order that the worker is told. */
  constructor(names: ReadonlyArray<string>, port: MessagePort, listener: Listener) {
    this.memory = { starts: Ring.make(), values: Ring.make() }
    this.starts = new Ring.RingWriter(this.memory.starts)
    this.values = new Ring.RingReader(this.memory.values)
    this.indexes = new Map(names.map((name, index) => [name, index]))
    this.port = port
    this.listener = listener
  }

  /** False where the task has to go by message. */
  start(id: number, slot: number, name: string, payload: unknown): boolean {
    const index = this.indexes.get(name)
    if (index === undefined || !this.starts.write(id, slot, index, payload)) return false
    if (this.starts.mustWake()) this.port.postMessage(wakeUp)
    return true
  }

  /** Takes values for as long as they come, and then sleeps. */
  read(millis: number = budgetMillis): void {
    const end = performance.now() + millis
    let isAwake = true
    try {
      while (isAwake && performance.now() < end) {
        isAwake = this.values.read(this.take, valuesAtOnce) > 0 || !this.values.sleep()
      }
    } catch (cause) {
      if (!(cause instanceof BadWords)) throw cause
      isAwake = false
      this.listener.fail(`it wrote what is of nobody's protocol: ${cause.message}`)
    } finally {
      // Also where one that was told has thrown.
      if (isAwake && !this.isClosed) setImmediate(() => this.read())
    }
  }

  /** The worker is gone: takes what it has left. */
  close(): void {
    this.isClosed = true
    this.read(Infinity)
  }

  private readonly take: Ring.Take = (id, _second, _third, value) => this.listener.ended(id, value)
}
