/**
 * Names the workers of a pool that have taken no message for a long time, each with its tasks and its stack. One timer
 * sends each worker with a task a message now and then, so a task costs nothing.
 *
 * Invariants:
 * 1. A worker is named at most once until it takes a message again, and not before the time is over.
 * 2. A worker without a task is not watched, nor is a worker that is starting or was asked to end.
 * 3. After `close` no worker is named, and no timer is left.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { ControlBlock } from "../wire/controlBlock.ts"
import type { Unwind } from "../wire/handshake.ts"
import * as Heartbeat from "../wire/heartbeat.ts"

/** The part of a worker that is watched. */
export interface WatchedWorker {
  readonly threadId: number
  readonly tasks: Iterable<{ readonly name: string }> & { readonly size: number }
  readonly isReady: boolean
  readonly isGone: boolean
  readonly control: ControlBlock
  /** Sends a message without content. */
  readonly wake: () => void
  readonly unwind: Unwind
  readonly locate: Effect.Effect<Option.Option<string>>
}

/**
 * A worker that has taken no message for a long time.
 *
 * - `threadId`: Node's number of the worker
 * - `tasks`: the names of the tasks that the worker runs
 * - `millis`: the milliseconds without a message
 * - `stack` of the running code; undefined in native code, and without an inspector
 * - `message`: all of this as a text
 */
export interface BusyWorker {
  readonly threadId: number
  readonly tasks: ReadonlyArray<string>
  readonly millis: number
  readonly stack: string | undefined
  readonly message: string
}

type State =
  | { readonly _tag: "Unwatched" }
  /** A message was sent at the time `since`. `isAlive` says whether the worker has taken it. */
  | { readonly _tag: "Asked"; readonly since: number; readonly isAlive: () => boolean }
  | { readonly _tag: "Named"; readonly isAlive: () => boolean }

const unwatched: State = { _tag: "Unwatched" }

/** How many looks at a worker there are within the time. A worker is named at most one look late. */
const looks = 4

/** How many tasks a message names. */
const maxNames = 5

export class BusyWatch {
  private readonly millis: number
  private readonly context: Context.Context<never>
  private readonly onBusy: ((worker: BusyWorker) => void) | undefined
  private readonly workers: Map<WatchedWorker, State> = new Map()
  /** The fibers that look for a stack. */
  private readonly fibers: Set<Fiber.Fiber<void>> = new Set()
  private readonly timer: NodeJS.Timeout

  /** `onBusy` is called for each named worker. Without `onBusy`, the loggers of the context get a warning. */
  constructor(millis: number, context: Context.Context<never>, onBusy: ((worker: BusyWorker) => void) | undefined) {
    this.millis = millis
    this.context = context
    this.onBusy = onBusy
    this.timer = setInterval(() => this.lookAtAll(), millis / looks)
    this.timer.unref()
  }

  add(worker: WatchedWorker): void {
    this.workers.set(worker, unwatched)
  }

  /** How many of the named workers have not taken a message since then. */
  get blocked(): number {
    let count = 0
    for (const [worker, state] of this.workers) {
      if (state._tag === "Named" && !worker.isGone && !state.isAlive()) count++
    }
    return count
  }

  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      clearInterval(this.timer)
      this.workers.clear()
      return Fiber.interruptAll(this.fibers)
    })
  }

  private lookAtAll(): void {
    for (const [worker, state] of this.workers) {
      if (worker.isGone) this.workers.delete(worker)
      else this.workers.set(worker, this.next(worker, state))
    }
  }

  private next(worker: WatchedWorker, state: State): State {
    if (!worker.isReady || worker.tasks.size === 0) return unwatched
    const now = performance.now()
    if (state._tag === "Unwatched" || state.isAlive()) {
      return { _tag: "Asked", since: now, isAlive: Heartbeat.make(worker.control, worker.wake)() }
    }
    if (state._tag === "Named" || now - state.since < this.millis) return state
    const { isAlive, since } = state
    this.name(worker, since, isAlive)
    return { _tag: "Named", isAlive }
  }

  private name(worker: WatchedWorker, since: number, isAlive: () => boolean): void {
    const tasks = Array.from(worker.tasks, ({ name }) => name)
    const found = Effect.flatMap(worker.locate, (stack) => {
      // The worker may have gone on just before the look.
      if (Option.isNone(stack) && isAlive()) return Effect.void
      const millis = performance.now() - since
      return this.report(busyWorker(worker, tasks, millis, Option.getOrUndefined(stack)))
    })
    const fiber = Effect.runForkWith(this.context)(found)
    this.fibers.add(fiber)
    fiber.addObserver(() => this.fibers.delete(fiber))
  }

  private report(busy: BusyWorker): Effect.Effect<void> {
    const { onBusy } = this
    if (onBusy === undefined) {
      const { message, threadId } = busy
      const annotations = { "thread.id": threadId, "thread.name": `worker-${threadId}` }
      return Effect.annotateLogs(Effect.logWarning(message), annotations)
    }
    return Effect.sync(() => {
      try {
        onBusy(busy)
      } catch (error) {
        // The error is the listener's own.
        queueMicrotask(() => {
          throw error
        })
      }
    })
  }
}

const busyWorker = (
  { threadId, unwind }: WatchedWorker,
  tasks: ReadonlyArray<string>,
  millis: number,
  stack: string | undefined
): BusyWorker => {
  const names = tasks.slice(0, maxNames).map((name) => `"${name}"`)
  if (tasks.length > maxNames) names.push(`${tasks.length - maxNames} more`)
  const worker = `The worker "worker-${threadId}" has taken no message for ${Math.round(millis / 100) / 10} seconds`
  const message = `${worker}. It runs ${names.join(", ")}${stack === undefined ? `. ${withoutStack(unwind)}` : `:\n${stack}`}`
  return { threadId, tasks, millis, stack, message }
}

const withoutStack = (unwind: Unwind): string =>
  unwind._tag === "None"
    ? `Its stack is unknown: ${unwind.why}`
    : "It has no stack that could be read, because it is in native code or waits blocked"
