/**
 * Gauges of the threads and leases of this JavaScript thread, by Effect's `Metric`. Effect's own layers serve them, such as
 * `PrometheusMetrics.layerHttp` and `OtlpMetrics.layer`.
 *
 * | metric | counts, by `name` |
 * | --- | --- |
 * | `quiesce_threads_alive` | threads that have not ended; threads without a name of their own are `(unnamed)` |
 * | `quiesce_leases_held` | leases that are held, with the leases that are being released |
 * | `quiesce_finalizers_running` | leases whose release is running |
 *
 * Nothing is counted before it is read: a read walks through the tree of threads. While the layer lives, a spawn and an
 * acquire look whether their name is known. Without the layer, each of them costs one comparison more.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { root } from "./internal/currentThread.ts"
import * as Ledger from "./internal/ledger.ts"
import { type Counts, NamedGauge } from "./internal/namedGauge.ts"
import type { ThreadNode } from "./internal/threadNode.ts"
import * as ThreadWatch from "./internal/threadWatch.ts"

/**
 * Shows the gauges in the metric registry of the context, until the layer's scope closes. At most 1,000 names of a metric
 * are shown on their own. Further names are counted together as `(other)`.
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<never> = /* @__PURE__ */ Layer.effectDiscard(
  /* @__PURE__ */ Effect.flatMap(/* @__PURE__ */ Effect.context<never>(), (context) =>
    Effect.acquireRelease(
      Effect.sync(() => show(context)),
      (hide) => Effect.sync(hide)
    )
  )
)

/** The result hides the gauges. */
const show = (context: Context.Context<never>): (() => void) => {
  const census = new Census()
  const gauge = (id: string, description: string, of: (counted: Counted) => Counts): NamedGauge =>
    new NamedGauge(id, description, context, (name) => of(census.forReader(`${id} ${name}`)))
  const alive = gauge("quiesce_threads_alive", "Threads that have not ended", ({ alive }) => alive)
  const held = gauge("quiesce_leases_held", "Leases that are held", ({ held }) => held)
  const releasing = gauge("quiesce_finalizers_running", "Releases of leases that are running", (now) => now.releasing)
  const addLease = (name: string): void => {
    held.add(name)
    releasing.add(name)
  }
  const observer = { entered: (entry: Ledger.LeaseEntry) => addLease(entry.name), settled: () => {} }
  const first = count()
  for (const name of first.alive.keys()) alive.add(name)
  for (const name of first.held.keys()) addLease(name)
  Ledger.observe(root, observer)
  const unwatch = ThreadWatch.watch((step) => {
    if (step._tag === "Spawned") alive.add(nameOf(step.node))
  })
  return () => {
    unwatch()
    Ledger.unobserve(root, observer)
    for (const each of [alive, held, releasing]) each.close()
  }
}

const nameOf = ({ label }: ThreadNode): string => label ?? "(unnamed)"

interface Counted {
  readonly alive: Counts
  readonly held: Counts
  readonly releasing: Counts
}

/** Counts all threads and leases, once for all readers of one step. A reader that comes again gets a new count. */
class Census {
  private counted: Counted | undefined
  private readonly readers = new Set<string>()

  forReader(reader: string): Counted {
    if (this.counted === undefined || this.readers.has(reader)) {
      if (this.counted === undefined) queueMicrotask(() => (this.counted = undefined))
      this.readers.clear()
      this.counted = count()
    }
    this.readers.add(reader)
    return this.counted
  }
}

const count = (): Counted => {
  const alive = new Map<string, number>()
  const held = new Map<string, number>()
  const releasing = new Map<string, number>()
  for (const node of root.withDescendants()) {
    if (node !== root) increment(alive, nameOf(node))
    for (const { name, state } of Ledger.held(node)) {
      increment(held, name)
      if (state === "releasing") increment(releasing, name)
    }
  }
  return { alive, held, releasing }
}

const increment = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}
