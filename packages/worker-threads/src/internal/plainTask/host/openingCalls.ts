/**
 * The calls of a pool of plain functions that is being opened. Nothing here loads Effect.
 *
 * Invariant: all calls are made in the step in which the pool has opened, in the order of the queue. A later drain or close
 * does not overtake them.
 */
import type { QueuedTask } from "../../host/taskQueue.ts"
import { nameOf } from "../contract.ts"
import type { LightCall } from "./lightCall.ts"
import type { RunOptions } from "./runOptions.ts"
import type { TaskHost } from "./taskHost.ts"

interface Waiting {
  readonly name: string
  readonly priority: number
  readonly since: number
  readonly start: (host: TaskHost) => void
  readonly fail: (cause: unknown) => void
}

type State =
  | { readonly _tag: "Opening" }
  /** A drain or a close waits for the opening, too. Later calls come after it. */
  | { readonly _tag: "Closing"; readonly opening: Promise<TaskHost> }
  | { readonly _tag: "Failed"; readonly cause: unknown }

export class OpeningCalls {
  private readonly calls: Set<Waiting> = new Set()
  private state: State = { _tag: "Opening" }

  /** The pool has opened. */
  start(host: TaskHost): void {
    for (const { start } of this.takeAll()) start(host)
  }

  /** The pool can't open, so these calls and later ones fail. */
  fail(cause: unknown): void {
    this.state = { _tag: "Failed", cause }
    for (const { fail } of this.takeAll()) fail(cause)
  }

  /** A drain or a close waits for `opening`. */
  close(opening: Promise<TaskHost>): void {
    if (this.state._tag === "Opening") this.state = { _tag: "Closing", opening }
  }

  run(url: string, input: unknown, options: RunOptions | undefined): Promise<unknown> {
    const { state } = this
    if (state._tag === "Failed") return Promise.reject(state.cause)
    if (state._tag === "Closing") return state.opening.then((host) => host.run(url, input, options))
    const { name = nameOf(url), priority = 0 } = options ?? {}
    return new Promise((resolve, reject) => {
      const start = (host: TaskHost): void => resolve(host.run(url, input, options))
      this.calls.add({ name, priority, since: performance.now(), start, fail: reject })
    })
  }

  /** Goes on with calls that have waited before. An abort ends such a call before the pool is open. */
  add(calls: ReadonlyArray<LightCall>): void {
    for (const call of calls) {
      const { input, name, priority, signal, transfers, url, waitingSince } = call
      const options = { signal, transfer: transfers.length > 0 ? transfers : undefined }
      const start = (host: TaskHost): void => call.handOver(host.run(url, input, options))
      const waiting = { name, priority, since: waitingSince, start, fail: (cause: unknown) => call.fail(cause) }
      this.calls.add(waiting)
      call.leave = () => void this.calls.delete(waiting)
    }
  }

  get size(): number {
    return this.calls.size
  }

  get queued(): ReadonlyArray<QueuedTask> {
    const now = performance.now()
    return this.inOrder.map(({ name, priority, since }) => ({ name, priority, ageMillis: now - since }))
  }

  /** A sort keeps the order within a priority. The pool refuses a priority that is no number. */
  private get inOrder(): ReadonlyArray<Waiting> {
    return Array.from(this.calls).toSorted((one, other) => other.priority - one.priority || 0)
  }

  private takeAll(): ReadonlyArray<Waiting> {
    const all = this.inOrder
    this.calls.clear()
    return all
  }
}
