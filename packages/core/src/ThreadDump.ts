/**
 * The tree of live threads as data and as text: the state and the reason of each thread, its leases, and the lease that is
 * being released.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { CancelReason } from "./CancelReason.ts"
import type { Rung } from "./Escalation.ts"
import { root } from "./internal/currentThread.ts"
import * as Ledger from "./internal/ledger.ts"
import { abandonedThreads } from "./internal/abandonedThreads.ts"
import { nodeOf, type ThreadNode } from "./internal/threadNode.ts"
import type { Thread } from "./Thread.ts"

/**
 * A lease in a dump. `releasingMillis` is the time since its release began, null before.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface DumpedLease {
  readonly name: string
  readonly ageMillis: number
  readonly releasingMillis: number | null
}

/**
 * A thread in a dump. A `queued` thread waits for a place to run. `rung` is the highest rung so far, null before any
 * request. An abandoned thread has ended for its waiters, but still runs. Finished threads are not listed. Of abandoned
 * threads, only the last 100 are kept if nothing can resume them.
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
  readonly leases: ReadonlyArray<DumpedLease>
  readonly children: ReadonlyArray<DumpedThread>
}

/**
 * The tree at one moment: `at` in milliseconds since the epoch, the leases that are held outside any thread, and the
 * threads.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ThreadDump {
  readonly at: number
  readonly leases: ReadonlyArray<DumpedLease>
  readonly threads: ReadonlyArray<DumpedThread>
}

/**
 * Dumps all threads of the program.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<ThreadDump> = /* @__PURE__ */ Effect.map(Clock.currentTimeMillis, (at) => ({
  at,
  leases: leasesOf(root, at),
  threads: [...root.children(), ...abandonedThreads].map((node) => dumpNode(node, at))
}))

/**
 * Dumps one thread and its descendants.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const of = (thread: Thread<unknown, unknown>): Effect.Effect<DumpedThread> =>
  Effect.map(Clock.currentTimeMillis, (at) => dumpNode(nodeOf(thread), at))

interface Dumping extends DumpedThread {
  readonly children: Array<DumpedThread>
}

const dumpNode = (node: ThreadNode, at: number): DumpedThread => {
  const dumps = new Map<ThreadNode, Dumping>()
  for (const below of node.withDescendants()) {
    const dumped = dumpAlone(below, at)
    if (below !== node) dumps.get(below.parentNode!)!.children.push(dumped)
    dumps.set(below, dumped)
  }
  return dumps.get(node)!
}

const dumpAlone = (node: ThreadNode, at: number): Dumping => ({
  id: node.id,
  name: node.name,
  ...statusOf(node),
  reason: node.reason ?? null,
  ageMillis: at - node.spawnedAt,
  leases: leasesOf(node, at),
  children: []
})

const statusOf = (node: ThreadNode): Pick<DumpedThread, "status" | "rung"> => {
  switch (node.state._tag) {
    case "Running":
      return { status: node.isQueued ? "queued" : "running", rung: null }
    case "Stopping":
      return { status: "stopping", rung: "stop" }
    case "Cancelled":
      return { status: "cancelled", rung: node.state.rung }
    case "Settled":
      return { status: abandonedThreads.has(node) ? "abandoned" : "done", rung: null }
  }
}

const leasesOf = (node: ThreadNode, at: number): ReadonlyArray<DumpedLease> =>
  Array.from(Ledger.held(node), (entry) => ({
    name: entry.name,
    ageMillis: at - entry.acquiredAt,
    releasingMillis: entry.state === "releasing" ? at - entry.since : null
  }))

/**
 * A dump as indented text, one thread a line and one lease a line below it.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: ThreadDump): string =>
  [...self.leases.map((lease) => renderLease(lease, "")), ...renderThreads(self.threads)].join("\n")

const renderThreads = (threads: ReadonlyArray<DumpedThread>): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const left = threads.map((thread) => ({ thread, indent: "" })).toReversed()
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { indent, thread } = next
    const why = thread.reason === null ? "" : ` (${thread.rung ?? "ended"}: ${thread.reason.message})`
    lines.push(`${indent}${thread.name} #${thread.id} ${thread.status}${why}, ${thread.ageMillis} ms`)
    for (const lease of thread.leases) lines.push(renderLease(lease, `${indent}  `))
    for (const child of thread.children.toReversed()) left.push({ thread: child, indent: `${indent}  ` })
  }
  return lines
}

const renderLease = (lease: DumpedLease, indent: string): string =>
  lease.releasingMillis === null
    ? `${indent}- ${lease.name}, held for ${lease.ageMillis} ms`
    : `${indent}- ${lease.name}, held for ${lease.ageMillis} ms, releasing for ${lease.releasingMillis} ms`
