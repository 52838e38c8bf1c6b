/** Threads on fibers against bare Effect. */
import { CancelReason, Lease, Thread } from "@quiesce/core"
import { sharedCauses } from "@quiesce/core/internal"
import { Effect, Fiber, type Scope } from "effect"
import type { Comparison, Measure } from "../Comparison.ts"
import { each } from "./each.ts"
import * as Twin from "./twin.ts"

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
    // No timeline is recorded. The peer is a copy of core without the calls that would record it: see `twin.ts`.
    id: "timeline-off",
    ours: Twin.measure("asBuilt"),
    peer: Twin.measure("withoutHook"),
    unit,
    direction: "at most",
    target: 1.02,
    rounds: 9
  })
  .concat({
    // Without a target: shows the gain of core's own way to interrupt, which its header names.
    id: "interrupt-100000-fibers",
    ours: interruptMany((fiber) => sharedCauses().interrupt(fiber, reason, 0)),
    peer: interruptMany((fiber) => fiber.interruptUnsafe(0, CancelReason.toAnnotations(reason))),
    unit,
    direction: "at most"
  })
