/**
 * The tree of live threads as data and as text: the state and the reason of each thread, its leases, and the lease that is
 * being released.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { root } from "./internal/currentThread.ts"
import type { DumpedLease, DumpedThread, RenderOptions, ThreadDump } from "./internal/dumpModel.ts"
import * as DumpSources from "./internal/dumpSources.ts"
import * as DumpText from "./internal/dumpText.ts"
import * as ExposedDump from "./internal/exposedDump.ts"
import * as LeasePlaces from "./internal/leasePlaces.ts"
import * as Ledger from "./internal/ledger.ts"
import { abandonedThreads } from "./internal/abandonedThreads.ts"
import * as Argument from "./internal/argument.ts"
import { nodeOfGiven } from "./internal/givenThreads.ts"
import * as Abandonment from "./internal/abandonment.ts"
import { printable as toPrintable } from "./internal/printable.ts"
import type { ThreadNode } from "./internal/threadNode.ts"
import type { Thread } from "./Thread.ts"

export type { DumpedLease, DumpedPlace, DumpedThread, Part, RenderOptions, ThreadDump } from "./internal/dumpModel.ts"

Abandonment.keep(abandonedThreads)

/**
 * Dumps all threads of this JavaScript thread.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<ThreadDump> = /* @__PURE__ */ Effect.map(Clock.currentTimeMillis, (at) => dumpAll(at))

const dumpAll = (at: number, stacks?: DumpSources.Stacks): ThreadDump => ({
  at,
  leases: leasesOf(root, at),
  threads: [...root.children(), ...abandonedThreads].map((node) => dumpNode(node, stacks))
})

/**
 * Dumps the threads of the whole process: the threads of this JavaScript thread with the stacks of busy workers, and the
 * trees inside the workers. A worker that does not answer within a second is listed without its tree.
 *
 * *Cancellation*: the search for stacks ends.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const whole: Effect.Effect<ThreadDump> = /* @__PURE__ */ Effect.suspend(() => {
  const nodes = [...root.withDescendants(), ...abandonedThreads].filter((node) => node !== root)
  return Effect.zipWith(
    Effect.all([DumpSources.stacksOf(nodes), DumpSources.elsewhere], { concurrency: "unbounded" }),
    Clock.currentTimeMillis,
    ([stacks, elsewhere], at): ThreadDump => {
      const dump = dumpAll(at, stacks)
      return elsewhere.length === 0 ? dump : { ...dump, elsewhere }
    }
  )
})

/**
 * Lets a debugger ask for the dump of this JavaScript thread, also while its code is busy. `quiesce ps` of
 * `@quiesce/process` does so. `Main.run` and the workers of pools call it; any other program calls it once at its start.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const expose = (): void => ExposedDump.expose(() => dumpAll(Date.now()))

/**
 * Notes for each lease the line of code that calls `Lease.acquire`, until the scope closes. Each acquire then takes some
 * microseconds more, because it makes a stack. Leases that were acquired before have no place.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const trackPlaces: Effect.Effect<void, never, Scope.Scope> = /* @__PURE__ */ Effect.asVoid(
  /* @__PURE__ */ Effect.acquireRelease(
    /* @__PURE__ */ Effect.sync(() => LeasePlaces.track()),
    (untrack) => Effect.sync(untrack)
  )
)

/**
 * Dumps one thread and its descendants.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const of = (thread: Thread<unknown, unknown>): Effect.Effect<DumpedThread> =>
  Effect.sync(() => dumpNode(nodeOfGiven("ThreadDump.of", thread)))

interface Dumping extends DumpedThread {
  readonly children: Array<DumpedThread>
}

const dumpNode = (node: ThreadNode, stacks?: DumpSources.Stacks): DumpedThread => {
  const dumps = new Map<ThreadNode, Dumping>()
  for (const below of node.withDescendants()) {
    const dumped = dumpAlone(below, below.clock.currentTimeMillisUnsafe(), stacks?.get(below.id))
    if (below !== node) dumps.get(below.parentNode!)!.children.push(dumped)
    dumps.set(below, dumped)
  }
  return dumps.get(node)!
}

/** `at` is a time of the thread's own clock, because a test may run the thread under another clock than the dump. */
const dumpAlone = (node: ThreadNode, at: number, stack: string | undefined): Dumping => ({
  id: node.id,
  name: node.name,
  ...statusOf(node),
  reason: node.reason ?? null,
  ageMillis: at - node.spawnedAt,
  ...runsOn(node),
  ...(stack === undefined ? {} : { stack }),
  leases: leasesOf(node, at),
  children: []
})

const runsOn = ({ controls }: ThreadNode): Pick<DumpedThread, "runsOn"> =>
  controls.runsOn === undefined ? {} : { runsOn: controls.runsOn }

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
  Array.from(Ledger.held(node), (entry) => {
    const place = LeasePlaces.of(entry)
    return {
      name: entry.name,
      ageMillis: at - entry.acquiredAt,
      releasingMillis: entry.state === "releasing" ? at - entry.since : null,
      ...(place === undefined ? {} : { place })
    }
  })

/**
 * A dump as indented text, one thread a line and one lease a line below it.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: ThreadDump, options?: RenderOptions): string => {
  if (!hasProperty(self, "threads") || !hasProperty(self, "leases"))
    throw Argument.wrong("ThreadDump.render", self, "a dump: the result of `yield* ThreadDump.make`")
  return DumpText.render(self, options?.paint ?? ((_, text) => text))
}

/**
 * A text without control characters, so that names and stacks of other code can't send control sequences to a terminal.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const printable = (text: string): string => {
  if (typeof text !== "string") throw Argument.wrong("ThreadDump.printable", text, "a text")
  return toPrintable(text)
}
