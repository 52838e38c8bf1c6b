/**
 * A pool of plain functions that is opened when something needs Effect: an option of the pool or of a call, an abort of a
 * running call, a lost worker, an observer. Until then the pool is a light one. Nothing here loads Effect.
 *
 * Invariant: while the pool is being opened, no call is started, so that no call overtakes another.
 */
import { availableParallelism } from "node:os"
import type { Permissions } from "../../leases/permissions.ts"
import type { DrainReport } from "../../host/draining.ts"
import type { DrainOptions } from "../../host/drainOptions.ts"
import type { Status as PoolStatus } from "../../host/poolStatus.ts"
import type { QueuedTask } from "../../host/taskQueue.ts"
import { laterPart } from "../../wire/laterPart.ts"
import { LightPool, type Limits } from "./lightPool.ts"
import { isObserved, onObserved } from "./observers.ts"
import { unknownInPool } from "./optionNames.ts"
import { OpeningCalls } from "./openingCalls.ts"
import { inContext, type RunOptions } from "./runOptions.ts"
import { SpawnPlain, type WorkerSettings } from "./spawnPlain.ts"
import type * as TaskHosts from "./taskHost.ts"
import type { PlainOptions, TaskHost } from "./taskHost.ts"

/** The options of a pool for any function. */
export interface LazyOptions extends Omit<PlainOptions, "spawn"> {
  readonly worker?: WorkerSettings | undefined
  readonly leases?: Permissions | undefined
}

type State =
  /** Effect is not needed so far. */
  | { readonly _tag: "Light" }
  | { readonly _tag: "Opening"; readonly opening: Promise<TaskHost> }
  | { readonly _tag: "Open"; readonly host: TaskHost }
  /** The pool was closed while it was light. */
  | { readonly _tag: "Closed"; readonly whenClosed: Promise<void> }

const light: State = { _tag: "Light" }

/** The code that needs Effect. */
let loading: Promise<typeof TaskHosts> | undefined

const load = (): NonNullable<typeof loading> => {
  loading ??= laterPart(import("./taskHost.ts"))
  // A later pool tries again.
  loading.catch(() => (loading = undefined))
  return loading
}

export class LazyHost {
  private readonly options: LazyOptions
  private readonly spawn: SpawnPlain
  /** Undefined if the pool will refuse its size or its concurrency. */
  private readonly limits: Limits | undefined
  private readonly light: LightPool
  private readonly calls: OpeningCalls = new OpeningCalls()
  private readonly forget: () => void
  private state: State = light
  /** Whether a call, a drain or a close waits for the opening, or has. It gets the error of a pool that can't open. */
  private isAwaited = false

  /** `module` is the module of the workers. The first workers start now, and load the module at `url`. */
  constructor(module: URL | string, options: LazyOptions, url: string) {
    this.options = options
    this.spawn = new SpawnPlain(module, options.worker)
    this.limits = limitsOf(options)
    const limits = this.limits ?? { min: 0, max: 0, concurrency: 1 }
    this.light = new LightPool(this.spawn, limits, () => void this.open())
    this.forget = onObserved(() => void this.open())
    this.light.start(limits.min, url)
    if (this.limits === undefined || !isLight(options) || isObserved()) this.openAtOnce()
  }

  /** A bad option of a pool that nobody has used yet is an unhandled rejection of the process. */
  private openAtOnce(): void {
    const opening = this.open()
    if (!(opening instanceof Promise)) return
    opening.catch((cause: unknown) => {
      if (!this.isAwaited && isMisuse(cause)) throw cause
    })
  }

  run(url: string, input: unknown, given: RunOptions | undefined): Promise<unknown> {
    const options = inContext(given)
    if (this.state._tag === "Open") return this.state.host.run(url, input, options)
    if (this.state._tag === "Light") {
      if (!isObserved() && LightPool.takes(input, options)) return this.light.run(url, input, options)
      // The first worker starts while the code is loaded.
      if (this.light.size === 0 && this.limits !== undefined) this.light.start(1, url)
    }
    void this.open()
    return this.calls.run(url, input, options)
  }

  /** The opened pool, at once if the pool is open already. */
  open(): TaskHost | Promise<TaskHost> {
    if (this.state._tag === "Open") return this.state.host
    if (this.state._tag === "Opening") {
      this.isAwaited = true
      return this.state.opening
    }
    const opening = this.make(this.state)
    this.state = { _tag: "Opening", opening }
    this.forget()
    this.calls.add(this.light.takeQueued())
    opening.catch((cause: unknown) => {
      this.light.abandon(cause)
      this.calls.fail(cause)
    })
    return opening
  }

  private async make({ _tag }: State): Promise<TaskHost> {
    const { open, refuse } = await load()
    refuse(this.options)
    const { spawn } = this.spawn
    const host =
      _tag === "Closed"
        ? await open({ size: { min: 0, max: this.light.limits.max }, spawn })
        : await open({ ...this.options, spawn }, this.options.leases, () => this.light.handOver())
    if (_tag === "Closed") await host.close()
    this.light.opened(host.status().running)
    this.state = { _tag: "Open", host }
    this.calls.start(host)
    return host
  }

  /** A call that ends before the pool is open was in the pool when the drain began. */
  async drain(options: DrainOptions | undefined): Promise<DrainReport> {
    const closed = options === undefined ? this.closeLight() : undefined
    if (closed !== undefined) return closed.then(() => ({ finished: 0, cut: 0, neverStarted: 0 }))
    const { finished, running, waiting } = this.light
    const all = this.state._tag === "Open" ? 0 : running + waiting + this.calls.size
    const report = await use(this.ending(), (host) => host.drain(options))
    const ended = this.light.finished - finished
    // The others were aborted before the pool was open.
    const aborted = Math.max(0, all - ended - report.finished - report.cut - report.neverStarted)
    return { ...report, finished: report.finished + ended, neverStarted: report.neverStarted + aborted }
  }

  /**
   * A pool that can't open has nothing to close. Its error is given here only if nobody has it: `await using` would put the
   * error of a call into a `SuppressedError`.
   */
  async close(): Promise<void> {
    const isTold = this.isAwaited
    try {
      await (this.closeLight() ?? use(this.ending(), (host) => host.close()))
    } catch (error) {
      if (!isTold || this.state._tag === "Open") throw error
    }
  }

  /** The opened pool, for a drain or a close. Later calls come after it. */
  private ending(): TaskHost | Promise<TaskHost> {
    const opening = this.open()
    if (opening instanceof Promise) this.calls.close(opening)
    return opening
  }

  /** Closes a light pool without calls. Undefined if the pool has to be opened for its end. */
  private closeLight(): Promise<void> | undefined {
    if (this.state._tag === "Closed") return this.state.whenClosed
    if (this.state._tag !== "Light" || !this.light.isIdle) return undefined
    this.forget()
    const whenClosed = this.light.close()
    this.state = { _tag: "Closed", whenClosed }
    return whenClosed
  }

  get status(): PoolStatus {
    if (this.state._tag === "Open") return this.state.host.status()
    const { running, size, waiting } = this.light
    const queued = waiting + this.calls.size
    return { workers: size, retiring: 0, missing: 0, running, queued, ...namedSize(this.options) }
  }

  get queued(): ReadonlyArray<QueuedTask> {
    if (this.state._tag === "Open") return this.state.host.queued()
    return this.state._tag === "Light" ? this.light.queued : this.calls.queued
  }
}

/** Whether an error is a `WorkerError` of a bad option. The class is not loaded here. */
const isMisuse = (error: unknown): boolean => {
  const { reason } = Object(error) as { readonly reason?: { readonly _tag?: unknown } }
  return reason?._tag === "InvalidOption"
}

/** Uses an opened pool, at once if possible. A request that is made later must not overtake this one. */
export const use = <A>(host: TaskHost | Promise<TaskHost>, f: (host: TaskHost) => Promise<A>): Promise<A> =>
  host instanceof Promise ? host.then(f) : f(host)

/** Whether a pool with these options needs no Effect before its first call. */
const isLight = (options: LazyOptions): boolean => {
  // A caller without types may give any value.
  if (typeof options !== "object" || unknownInPool(options) !== undefined) return false
  const { busy, leases, queue, recycle, runWithin, size } = options
  return (
    [busy, leases, queue, recycle, runWithin].every((option) => option === undefined) &&
    (typeof size !== "object" || size.idle === undefined)
  )
}

/** The size that the caller has named, right or wrong. */
const namedSize = ({ size = availableParallelism() }: LazyOptions): Pick<PoolStatus, "min" | "max"> => {
  const { max, min } = typeof size === "number" ? { min: size, max: size } : (size ?? { min: 0, max: 0 })
  return { min, max }
}

const most = 1024

/** The pool refuses other numbers. Workers in very large numbers are a matter of the pool as well. */
const limitsOf = (options: LazyOptions): Limits | undefined => {
  const { concurrency = 1 } = options
  const { max, min } = namedSize(options)
  const isGood = [min, max, concurrency].every((count) => Number.isInteger(count) && count >= 0 && count <= most)
  return isGood && max >= 1 && min <= max && concurrency >= 1 ? { min, max, concurrency } : undefined
}
