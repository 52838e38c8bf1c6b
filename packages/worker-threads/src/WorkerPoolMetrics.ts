/**
 * Metrics of the pools of this JavaScript thread, by Effect's `Metric`. Effect's own layers serve them, such as
 * `PrometheusMetrics.layerHttp` and `OtlpMetrics.layer`.
 *
 * | metric | kind | attributes besides `pool` |
 * | --- | --- | --- |
 * | `quiesce_pool_workers` | gauge | `state`: `starting`, `idle`, `busy`, `ending` |
 * | `quiesce_pool_workers_blocked` | gauge: the workers that have taken no message for the time in the option `busy`; 0 without the option | |
 * | `quiesce_pool_tasks_queued`, `quiesce_pool_tasks_running` | gauges | |
 * | `quiesce_pool_utilization_ratio` | gauge: the running tasks for each place of the workers | |
 * | `quiesce_pool_tasks_completed_total` | counter of tasks that ended by themselves | `task`; `result`: `succeeded`, `failed` |
 * | `quiesce_pool_tasks_cancelled_total` | counter | `task`; `rung`: the highest rung of a request, `interrupt` for a task that its pool took out of the queue, and for a call that left while it waited for room in the queue |
 * | `quiesce_pool_workers_replaced_total` | counter | `cause`: `lost`, `killed`, `failed_start`, and the limit of `recycle`: `tasks`, `age`, `heap` |
 * | `quiesce_pool_task_waiting_seconds` | histogram of the time in the queue, with the wait for room in it | `task` |
 * | `quiesce_pool_task_running_seconds` | histogram of the time on a worker, to the end of the last release | `task` |
 *
 * `pool` is the name in the options of the pool. Pools of one name are counted together. The gauges are counted when they
 * are read. Without the layer, an event of a task costs one comparison.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as CancelReason from "@quiesce/core/CancelReason"
import type { Rung } from "@quiesce/core/Escalation"
import * as PoolEvents from "./internal/host/poolEvents.ts"
import type { PoolCounts, PoolObserver } from "./internal/host/poolEvents.ts"
import * as WorkerError from "./WorkerError.ts"

/**
 * Shows the metrics of all pools, live and to come, in the metric registry of the context, until the layer's scope closes.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = /* @__PURE__ */ Layer.effectDiscard(
  /* @__PURE__ */ Effect.flatMap(/* @__PURE__ */ Effect.context<never>(), (context) =>
    Effect.acquireRelease(
      Effect.sync(() => new Watch(context)),
      (watch) => Effect.sync(() => watch.close())
    )
  )
)

type Attributes = Readonly<Record<string, string>>

/** All that the layer shows. */
class Watch {
  private readonly context: Context.Context<never>
  private readonly groups = new Map<string, Group>()
  private readonly unwatch: () => void

  constructor(context: Context.Context<never>) {
    this.context = context
    this.unwatch = PoolEvents.watch((pool) => this.groupOf(pool.name).add(pool))
  }

  private groupOf(name: string): Group {
    let group = this.groups.get(name)
    if (group === undefined) this.groups.set(name, (group = new Group(name, this.context)))
    return group
  }

  close(): void {
    this.unwatch()
    for (const group of this.groups.values()) group.close()
  }
}

/** The rung of a cancelled task. A pool takes a task out of its queue without a rung. Undefined for a task that ended by itself. */
const cancelledBy = (cause: Cause.Cause<unknown>, rung: Rung | undefined, hasRun: boolean): Rung | undefined => {
  if (rung !== undefined && rung !== "stop") return Cause.hasInterrupts(cause) ? rung : undefined
  // A token in the worker may notice a deadline before the host asks.
  if (CancelReason.firstOfCause(cause)?._tag === "DeadlineExceeded") return "interrupt"
  if (rung === "stop") return undefined
  const isTaken =
    Cause.hasInterruptsOnly(cause) ||
    cause.reasons.some((reason) => Cause.isFailReason(reason) && isPoolClosed(reason.error))
  return isTaken && !hasRun ? "interrupt" : undefined
}

const isPoolClosed = (error: unknown): boolean =>
  error instanceof WorkerError.WorkerError && error.reason._tag === "PoolClosed"

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, Infinity]

/** The pools of one name. Its gauges are shown while there is a pool, its other metrics until the layer's end. */
class Group {
  private readonly name: string
  private readonly context: Context.Context<never>
  private readonly pools = new Set<PoolEvents.PoolEvents>()
  private gauges: ReadonlyArray<Metric.Registration> = []
  private readonly others = new Map<string, Metric.Metric<number, unknown>>()

  constructor(name: string, context: Context.Context<never>) {
    this.name = name
    this.context = context
  }

  add(pool: PoolEvents.PoolEvents): PoolObserver {
    this.pools.add(pool)
    if (this.pools.size === 1) this.gauges = this.showGauges()
    /** The start of each running task. */
    const starts = new Map<object, number>()
    return {
      callerLeft: (task) => this.count("tasks_cancelled", { task, rung: "interrupt" }),
      started: (task) => {
        const now = performance.now()
        this.observe("waiting", { task: task.codec.name }, now - (task.waitingSince || now))
        starts.set(task, now)
      },
      ended: (task, exit) => {
        const start = starts.get(task)
        starts.delete(task)
        const labels = { task: task.codec.name }
        if (start !== undefined) this.observe("running", labels, performance.now() - start)
        const rung = Exit.isFailure(exit) ? cancelledBy(exit.cause, task.thread.rung, start !== undefined) : undefined
        if (rung !== undefined) return this.count("tasks_cancelled", { ...labels, rung })
        this.count("tasks_completed", { ...labels, result: Exit.isSuccess(exit) ? "succeeded" : "failed" })
      },
      replaced: (cause) => this.count("workers_replaced", { cause }),
      closed: () => {
        this.pools.delete(pool)
        if (this.pools.size === 0) this.hideGauges()
      }
    }
  }

  private showGauges(): ReadonlyArray<Metric.Registration> {
    const states = ["starting", "idle", "busy", "ending"] as const
    return [
      ...states.map((state) =>
        this.gauge("workers", "Workers by state", { state }, () => this.sum(({ workers }) => workers[state]))
      ),
      this.gauge("workers_blocked", "Workers that have taken no message for long", {}, () =>
        this.sum(({ blocked }) => blocked)
      ),
      this.gauge("tasks_queued", "Tasks that wait for a worker", {}, () => this.sum(({ queued }) => queued)),
      this.gauge("tasks_running", "Tasks that workers run", {}, () => this.sum(({ running }) => running)),
      this.gauge("utilization_ratio", "Running tasks for each place of the workers", {}, () => {
        const places = this.sum((counts) => counts.places)
        return places === 0 ? 0 : this.sum(({ running }) => running) / places
      })
    ]
  }

  private gauge(id: string, description: string, attributes: Attributes, value: () => number): Metric.Registration {
    const gauge = Metric.gauge(`quiesce_pool_${id}`, { description, attributes: { pool: this.name, ...attributes } })
    return Metric.registerUnsafe(gauge, this.context, { get: () => ({ value: value() }), update, modify: update })
  }

  private sum(of: (counts: PoolCounts) => number): number {
    let sum = 0
    for (const pool of this.pools) sum += of(pool.counts())
    return sum
  }

  private hideGauges(): void {
    for (const { remove } of this.gauges) remove()
    this.gauges = []
  }

  private count(what: keyof typeof counters, attributes: Attributes): void {
    const id = `quiesce_pool_${what}_total`
    const options = { description: counters[what], incremental: true }
    this.other(id, attributes, (all) => Metric.counter(id, { ...options, attributes: all })).updateUnsafe(
      1,
      this.context
    )
  }

  private observe(what: keyof typeof times, attributes: Attributes, millis: number): void {
    const id = `quiesce_pool_task_${what}_seconds`
    const options = { description: times[what], boundaries: seconds }
    const histogram = this.other(id, attributes, (all) => Metric.histogram(id, { ...options, attributes: all }))
    histogram.updateUnsafe(millis / 1000, this.context)
  }

  private other(
    id: string,
    attributes: Attributes,
    make: (attributes: Attributes) => Metric.Metric<number, unknown>
  ): Metric.Metric<number, unknown> {
    const key = [id, ...Object.values(attributes)].join("\n")
    let metric = this.others.get(key)
    if (metric === undefined) this.others.set(key, (metric = make({ pool: this.name, ...attributes })))
    return metric
  }

  close(): void {
    this.hideGauges()
    for (const metric of this.others.values()) Metric.removeUnsafe(metric, this.context)
  }
}

/** A gauge that is counted when it is read takes no updates. */
const update = (): void => {}

const counters = {
  tasks_completed: "Tasks that have ended by themselves",
  tasks_cancelled: "Tasks that were cancelled, by the highest rung of a request",
  workers_replaced: "Workers that were replaced, by cause"
}

const times = {
  waiting: "Time of tasks in the queue, with the wait for room in it, in seconds",
  running: "Time of tasks on a worker, in seconds"
}
