/**
 * The events of a pool for its watchers, loggers and metrics. Without an observer, an event of a task costs one
 * comparison.
 *
 * Invariant: a pool is in `live` from its opening until its close.
 */
import type { Rung } from "@quiesce/core/Escalation"
import { logUnhandled } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import type * as WorkerError from "../../WorkerError.ts"
import type { RecycleCause } from "./recycleOptions.ts"

/** A task of the pool. */
export interface ObservedTask {
  readonly codec: { readonly name: string }
  /** When the task or its caller began to wait, as `performance.now()`. 0 if neither has waited. */
  readonly waitingSince: number
  /** `rung` is the highest rung of a request so far. */
  readonly thread: { readonly rung: Rung | undefined }
}

/** A worker that has left its pool. */
export interface Leaver {
  /** Node's number of the worker. */
  readonly threadId: number
  /** Whether the worker has ever been ready. */
  readonly wasReady: boolean
}

/** Why another worker takes the place of a worker. */
export type Replacement = "lost" | "killed" | "failed_start" | RecycleCause

export interface PoolObserver {
  readonly queued?: (task: ObservedTask) => void
  /** A caller that waited for room in the queue has left without a task. `task` is the name of the task in the contract. */
  readonly callerLeft: (task: string) => void
  /** A worker takes the task. */
  readonly started: (task: ObservedTask) => void
  readonly ended: (task: ObservedTask, exit: Exit.Exit<unknown, unknown>) => void
  readonly replaced: (cause: Replacement) => void
  readonly closed: () => void
}

/** The numbers of a pool now. */
export interface PoolCounts {
  readonly workers: Readonly<Record<"starting" | "idle" | "busy" | "ending", number>>
  readonly running: number
  readonly queued: number
  /** How many tasks the active workers run at a time. */
  readonly places: number
  /** How many workers have been named as busy and have taken no message since then. */
  readonly blocked: number
}

type Watcher = (pool: PoolEvents) => PoolObserver

const live = new Set<PoolEvents>()
const watchers = new Set<Watcher>()

export class PoolEvents {
  /** The name in metrics. */
  readonly name: string
  /** Set by the pool. */
  counts!: () => PoolCounts
  /** Has the loggers. */
  private readonly context: Context.Context<never>
  /** Undefined without watchers. */
  private observers: Map<Watcher, PoolObserver> | undefined = undefined

  constructor(name: string, context: Context.Context<never>) {
    this.name = name
    this.context = context
  }

  open(): void {
    live.add(this)
    for (const watcher of watchers) this.addWatcher(watcher)
  }

  close(): void {
    live.delete(this)
    const { observers } = this
    this.observers = undefined
    observers?.forEach((observer) => observer.closed())
  }

  addWatcher(watcher: Watcher): void {
    this.observers = new Map(this.observers).set(watcher, watcher(this))
  }

  removeWatcher(watcher: Watcher): void {
    this.observers?.delete(watcher)
    if (this.observers?.size === 0) this.observers = undefined
  }

  queued(task: ObservedTask): void {
    if (this.observers !== undefined) this.observers.forEach((observer) => observer.queued?.(task))
  }

  callerLeft(task: string): void {
    this.observers?.forEach((observer) => observer.callerLeft(task))
  }

  started(task: ObservedTask): void {
    if (this.observers !== undefined) this.observers.forEach((observer) => observer.started(task))
  }

  ended(task: ObservedTask, exit: Exit.Exit<unknown, unknown>): void {
    if (this.observers !== undefined) this.observers.forEach((observer) => observer.ended(task, exit))
  }

  replaced(cause: Replacement): void {
    this.observers?.forEach((observer) => observer.replaced(cause))
  }

  /** A worker was lost, or killed if `error` is undefined. A worker that retired was replaced before. */
  workerLeft({ threadId, wasReady }: Leaver, error: WorkerError.WorkerError | undefined, wasActive: boolean): void {
    const cause = error === undefined ? "killed" : wasReady ? "lost" : "failed_start"
    if (wasActive) this.replaced(cause)
    // The caller of a kill gets a report, and the dispatcher warns of workers that can't be started.
    if (cause !== "lost") return
    const name = `worker-${threadId}`
    logUnhandled(this.context, { id: threadId, name }, `A pool has lost its worker "${name}"`, Cause.fail(error))
  }
}

/** Watches all pools of this thread, live and to come. The returned function ends the watch. */
export const watch = (watcher: Watcher): (() => void) => {
  watchers.add(watcher)
  for (const pool of live) pool.addWatcher(watcher)
  return () => {
    watchers.delete(watcher)
    for (const pool of live) pool.removeWatcher(watcher)
  }
}
