/**
 * A gauge with a series for each name. The values are counted when they are read.
 *
 * Invariants:
 * 1. A name has a series from its `add` until it was read as 0, or until `close`.
 * 2. At most `most` names have a series of their own. Further names share the series `other`, so that names with a number in them don't
 *    fill the memory.
 */
import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

const most = 1000

/** The name of all names beyond `most`. */
const other = "(other)"

/** The numbers by name. */
export type Counts = ReadonlyMap<string, number>

/** Gives the numbers of a metric for the read of one series. */
export type Count = (name: string) => Counts

export class NamedGauge {
  private readonly id: string
  private readonly description: string
  private readonly context: Context.Context<never>
  private readonly count: Count
  private readonly series = new Map<string, Metric.Registration>()
  /** The series `other`, once there are too many names. */
  private rest: Metric.Registration | undefined
  /** Whether unused names may be left since the last search for them. A search costs a walk through all threads. */
  private mayHaveUnused = true

  constructor(id: string, description: string, context: Context.Context<never>, count: Count) {
    this.id = id
    this.description = description
    this.context = context
    this.count = count
  }

  /** Shows a name. */
  add(name: string): void {
    if (this.series.has(name)) return
    if (this.series.size >= most && this.mayHaveUnused) this.dropUnused()
    if (this.series.size < most) this.series.set(name, this.show(name))
    else this.rest ??= this.show(other)
  }

  private show(name: string): Metric.Registration {
    const gauge = Metric.gauge(this.id, { description: this.description, attributes: { name } })
    const get = (): Metric.GaugeState<number> => ({ value: this.read(name) })
    return Metric.registerUnsafe(gauge, this.context, { get, update: nothing, modify: nothing })
  }

  private read(name: string): number {
    const counts = this.count(name)
    this.mayHaveUnused = true
    if (name === other) return this.restOf(counts)
    const value = counts.get(name) ?? 0
    // After the reader has got the 0. A thread of the name may have been spawned meanwhile.
    if (value === 0) queueMicrotask(() => this.drop(name, this.count(name)))
    return value
  }

  private restOf(counts: Counts): number {
    let rest = 0
    for (const [name, count] of counts) if (!this.series.has(name)) rest += count
    return rest
  }

  private dropUnused(): void {
    this.mayHaveUnused = false
    const counts = this.count(other)
    for (const name of this.series.keys()) this.drop(name, counts)
  }

  private drop(name: string, counts: Counts): void {
    if ((counts.get(name) ?? 0) > 0) return
    this.series.get(name)?.remove()
    this.series.delete(name)
  }

  close(): void {
    for (const { remove } of this.series.values()) remove()
    this.series.clear()
    this.rest?.remove()
  }
}

const nothing = (): void => {}
