/** The fibers that an effect starts: each asks its scheduler at its first step. */
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import type * as Tracer from "effect/Tracer"
import { current, type Made, type Sight } from "./made.ts"
import { framesOfFiber, Origin } from "./origin.ts"
import { running } from "./resources.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

const madeOf = (fiber: AnyFiber): Made => {
  const origin = new Origin(running())
  return {
    kind: "fiber",
    isThere: () => fiber.pollUnsafe() === undefined,
    what: () => {
      const { span } = fiber.cache
      return span?._tag === "Span" ? `fiber ${fiber.id} in span "${span.name}"` : `fiber ${fiber.id}`
    },
    unref: () => false,
    // Where it is now says more than what scheduled its first step.
    madeAt: () => {
      const frames = framesOfFiber(fiber.cache.stackFrame)
      return frames.length > 0 ? frames : origin.frames
    }
  }
}

/** The same scheduler, which shows to a watch each fiber but the one that it is given for. */
export const watchedScheduler = (inner: Scheduler.Scheduler, sight: Sight, own: AnyFiber): Scheduler.Scheduler => {
  const known = new WeakSet<object>([own])
  return {
    executionMode: inner.executionMode,
    shouldYield: (fiber) => {
      if (!known.has(fiber)) {
        known.add(fiber)
        const made = madeOf(fiber)
        sight.add(made)
        fiber.addObserver(() => sight.made.delete(made))
      }
      return inner.shouldYield(fiber)
    },
    makeDispatcher: () => inner.makeDispatcher()
  }
}

/** The same tracer, within which all that runs is known to be that of a watched effect. */
export const watchedTracer = (inner: Tracer.Tracer, sight: Sight): Tracer.Tracer => ({
  span: (options) => inner.span(options),
  context: (primitive, fiber) => {
    if (inner.context === undefined) return current.run(sight, () => primitive["~effect/Effect/evaluate"](fiber))
    // The innermost of several has the last word.
    return inner.context(
      { "~effect/Effect/evaluate": (fiber) => current.run(sight, () => primitive["~effect/Effect/evaluate"](fiber)) },
      fiber
    )
  }
})
