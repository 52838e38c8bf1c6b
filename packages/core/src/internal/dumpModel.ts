/** The data of a dump. */
import type { CancelReason } from "../CancelReason.ts"
import type { Rung } from "../Escalation.ts"

/**
 * A lease in a dump. `releasingMillis` is the time since its release began, null before. `place` is the line of code that
 * acquired the lease, while `trackPlaces` is on.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DumpedLease {
  readonly name: string
  readonly ageMillis: number
  readonly releasingMillis: number | null
  readonly place?: string
}

/**
 * A thread in a dump. A `queued` thread waits for a place to run. `rung` is the highest rung so far, null before any
 * request. An abandoned thread has ended for its waiters, but still runs. Finished threads are not listed. Of abandoned
 * threads, only the last 100 are kept if nothing can resume them.
 *
 * `runsOn` is the place of a thread that runs elsewhere, such as `worker 3` or `pid 4711`. `stack` is the stack of a busy
 * thread; `whole` looks for it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DumpedThread {
  readonly id: number
  readonly name: string
  readonly status: "queued" | "running" | "stopping" | "cancelled" | "abandoned" | "done"
  readonly rung: Rung | null
  readonly reason: CancelReason | null
  readonly ageMillis: number
  readonly runsOn?: string
  readonly stack?: string
  readonly leases: ReadonlyArray<DumpedLease>
  readonly children: ReadonlyArray<DumpedThread>
}

/**
 * Code that has a tree of threads of its own, such as a worker: its name, a remark, its stack while it is busy, and its
 * dump.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DumpedPlace {
  readonly name: string
  readonly note?: string
  readonly stack?: string
  readonly dump?: ThreadDump
}

/**
 * The tree at one moment: `at` in milliseconds since the epoch, the leases that are held outside any thread, the threads,
 * and in a dump by `whole` the trees of workers and of other places.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ThreadDump {
  readonly at: number
  readonly leases: ReadonlyArray<DumpedLease>
  readonly threads: ReadonlyArray<DumpedThread>
  readonly elsewhere?: ReadonlyArray<DumpedPlace>
}

/**
 * The parts of a rendered dump that may have a colour: the name of a thread or a place, its state (`fine`, `ending`, or
 * `lost` for an abandoned thread), a lease whose release runs, and details such as ages and stacks.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Part = "name" | "fine" | "ending" | "lost" | "releasing" | "detail"

/**
 * `paint` gives a part of the text its colour. Without it the text has none.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RenderOptions {
  readonly paint?: ((part: Part, text: string) => string) | undefined
}
