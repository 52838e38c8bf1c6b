/** Tracks the fibers of an effect: at its first step, each fiber asks the scheduler whether to yield. */
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import type * as Tracer from "effect/Tracer"
import { evaluate } from "../effectInternals.ts"
import { framesOfFiber, Origin } from "./origin.ts"
import { running } from "./resources.ts"
import { currentTracker, type TrackedResource, type Tracker } from "./tracker.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

const resourceOf = (fiber: AnyFiber): TrackedResource => {
  const origin = new Origin(running())
  return {
    kind: "fiber",
    isThere: () => fiber.pollUnsafe() === undefined,
    what: () => {
      const { span } = fiber.cache
      return span?._tag === "Span" ? `fiber ${fiber.id} in span "${span.name}"` : `fiber ${fiber.id}`
    },
    unref: () => false,
    // The current place of the fiber says more than the code that scheduled the first step.
    madeAt: () => {
      const frames = framesOfFiber(fiber.cache.stackFrame)
      return frames.length > 0 ? frames : origin.frames
    }
  }
}

/** A scheduler like `inner` that reports each fiber but `own` to a tracker. */
export const watchedScheduler = (inner: Scheduler.Scheduler, tracker: Tracker, own: AnyFiber): Scheduler.Scheduler => {
  const known = new WeakSet<object>([own])
  return {
    executionMode: inner.executionMode,
    shouldYield: (fiber) => {
      if (!known.has(fiber)) {
        known.add(fiber)
        const resource = resourceOf(fiber)
        tracker.add(resource)
        fiber.addObserver(() => tracker.resources.delete(resource))
      }
      return inner.shouldYield(fiber)
    },
    makeDispatcher: () => inner.makeDispatcher()
  }
}

/** A tracer like `inner` that marks everything made within the effect as made by the tracked effect. */
export const watchedTracer = (inner: Tracer.Tracer, tracker: Tracker): Tracer.Tracer => ({
  span: (options) => inner.span(options),
  context: (primitive, fiber) => {
    if (inner.context === undefined) return currentTracker.run(tracker, () => evaluate(primitive, fiber))
    // Of nested trackers, the innermost counts.
    return inner.context(
      {
        "~effect/Effect/evaluate": (fiber) => currentTracker.run(tracker, () => evaluate(primitive, fiber))
      },
      fiber
    )
  }
})
