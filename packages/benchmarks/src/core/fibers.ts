/** Threads on fibers against bare Effect. */
import { CancelReason, Lease, Thread } from "@quiesce/core"
import { sharedCauses } from "@quiesce/core/internal"
import { Effect, Fiber, type Scope } from "effect"
import type { Comparison, Measure } from "../Comparison.ts"

const times = 20_000

/** Nanoseconds for one of `times` runs of an effect, one after another in one fiber. */
const each = <E, R>(effect: Effect.Effect<unknown, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    let left = times
    const start = performance.now()
    return Effect.map(
      Effect.whileLoop({ while: () => left-- > 0, body: () => effect, step: () => {} }),
      () => ((performance.now() - start) * 1e6) / times
    )
  })

/** In a scope outside any thread, as at the top of a program. */
const inScope =
  <E>(effect: Effect.Effect<unknown, E, Scope.Scope>): Measure =>
  () =>
    Effect.runPromise(Effect.scoped(each(effect)))

/** In the body of a thread. */
const inThread =
  <E>(effect: Effect.Effect<unknown, E, Scope.Scope>): Measure =>
  () =>
    Effect.runPromise(Effect.scoped(Effect.flatMap(Thread.spawn(each(effect)), Thread.join)))

const noop = Effect.void
const bareJoin = Effect.flatMap(Effect.forkChild(noop), Fiber.join)
const bareInterrupt = Effect.flatMap(Effect.forkChild(Effect.never), Fiber.interrupt)
const bareResource = Effect.scoped(Effect.acquireRelease(noop, () => noop))

const spawnJoin = Effect.flatMap(Thread.spawn(noop), Thread.join)
const spawnInterrupt = Effect.flatMap(Thread.spawn(Effect.never), (thread) => Thread.interrupt(thread))
const lease = Effect.scoped(Lease.acquire({ name: "lease", acquire: noop, release: () => noop }))

const reason = CancelReason.interrupted()

/** Interrupts 100,000 suspended fibers for one reason. */
const interruptMany =
  (interrupt: (fiber: Fiber.Fiber<never>) => void): Measure =>
  async () => {
    const count = 100_000
    const fibers = Array.from({ length: count }, () => Effect.runFork(Effect.never))
    const start = performance.now()
    for (const fiber of fibers) interrupt(fiber)
    return ((performance.now() - start) * 1e6) / count
  }

interface Hook {
  /** Undefined while nothing records. */
  readonly noteStep: ((step: { readonly _tag: string; readonly node: object }) => void) | undefined
}

/** Nanoseconds of the four calls for a timeline in a spawn and a join, in `threadNode.ts` and `fiberThread.ts` of core. */
const absentHook: Measure = async () => {
  const url = new URL("../../../core/dist/internal/threadNode.js", import.meta.url)
  const hook = (await import(url.href)) as Hook // of the build
  if (!("noteStep" in hook)) throw new Error(`${url.pathname} has no noteStep: measure the present hook of core`)
  const node = {}
  const rounds = 5_000_000
  const start = performance.now()
  for (let round = 0; round < rounds; round++) {
    hook.noteStep?.({ _tag: "Spawned", node })
    hook.noteStep?.({ _tag: "Started", node })
    hook.noteStep?.({ _tag: "CleaningUp", node })
    hook.noteStep?.({ _tag: "Settled", node })
  }
  return ((performance.now() - start) * 1e6) / rounds
}

const unit = "ns each"

export const comparisons: ReadonlyArray<Comparison> = [
  { id: "spawn-join", ours: inScope(spawnJoin), peer: inScope(bareJoin), target: 1.8 },
  { id: "spawn-join-in-thread", ours: inThread(spawnJoin), peer: inThread(bareJoin), target: 1.8 },
  { id: "spawn-interrupt", ours: inScope(spawnInterrupt), peer: inScope(bareInterrupt), target: 1.8 },
  { id: "spawn-interrupt-in-thread", ours: inThread(spawnInterrupt), peer: inThread(bareInterrupt), target: 1.8 },
  { id: "lease", ours: inScope(lease), peer: inScope(bareResource), target: 2 },
  { id: "lease-in-thread", ours: inThread(lease), peer: inThread(bareResource), target: 2 }
]
  .map((comparison): Comparison => ({ ...comparison, unit, direction: "at most" }))
  .concat({
    // No timeline is recorded.
    id: "timeline-off",
    ours: absentHook,
    peer: async () => 0.02 * (await inScope(spawnJoin)()),
    unit: "ns of the calls that would record, against 2 % of spawn and join",
    direction: "at most",
    target: 1
  })
  .concat({
    // Without a target: shows the gain of core's own way to interrupt, which its header names.
    id: "interrupt-100000-fibers",
    ours: interruptMany((fiber) => sharedCauses().interrupt(fiber, reason, 0)),
    peer: interruptMany((fiber) => fiber.interruptUnsafe(0, CancelReason.toAnnotations(reason))),
    unit,
    direction: "at most"
  })
