/**
 * What is left over of an effect: listeners on AbortSignals, timers, handles, workers, child processes, file descriptors
 * and fibers that were made while it ran and are there after its end, each with the place where it was made.
 *
 * Whatever this thread makes meanwhile counts, be it made by the effect or beside it; only what another effect under
 * watch makes does not.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import * as Scheduler from "effect/Scheduler"
import * as Tracer from "effect/Tracer"
import { watchedScheduler, watchedTracer } from "./internal/leaks/fibers.ts"
import { limitOf } from "./internal/time/limit.ts"
import { ListenerWatch as InternalListenerWatch, Watch as InternalWatch } from "./internal/leaks/watch.ts"
import type { LeftOver } from "./LeftOver.ts"
import * as TestingError from "./TestingError.ts"

/**
 * How left-overs are looked for.
 *
 * - `within`: for how long, in real time, what is closing is waited for (default one second). Nothing is waited for
 *   when nothing is there.
 * - `ignore`: what may stay, such as the connections that an HTTP client keeps for the next request (default: nothing)
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly within?: Duration.Input | undefined
  readonly ignore?: ((leftOver: LeftOver) => boolean) | undefined
}

/**
 * Runs an effect and fails with `LeftOver` when something that was made while it ran is still there: a listener on any
 * AbortSignal, a timer, a handle, a worker, a child process, a file descriptor, a fiber. What is closing is waited for.
 * Otherwise it ends as the effect did; when the effect failed, the failure and what is left over are in one Cause.
 *
 * What the effect acquires into a scope that lives longer, and the fibers that it forks as children of its caller, are
 * left over: put `Effect.scoped` around the effect, or join what it forks.
 *
 * *Cancellation*: the effect is interrupted, then looked at all the same, for `within` at most.
 *
 * *Gotchas*: a fiber's place is known when it is in an `Effect.fn` or a span. Fibers that are started with a runtime of
 * their own (`Effect.runFork`) are not seen, though what they wait for is. A timer of `AbortSignal.timeout`, which nobody
 * can clear, is not left over. Descriptors that native code or another thread has opened are seen on Linux only, without
 * their place.
 *
 * ```ts
 * import { Leaks } from "@quiesce/testing"
 * import { Effect } from "effect"
 *
 * const program = Leaks.none(Effect.sync(() => setTimeout(() => {}, 60_000)))
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const none: {
  (options?: Options): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | TestingError.TestingError, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, options?: Options): Effect.Effect<A, E | TestingError.TestingError, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(effect: Effect.Effect<A, E, R>, options: Options = {}) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.fromResult(limitOf(options.within)), (within) =>
        Effect.suspend(() => {
          const watch = new InternalWatch("bound")
          return Effect.ensuring(
            Effect.flatMap(Effect.exit(restore(watched(effect, watch))), (exit) =>
              settled(
                exit,
                Effect.promise(() => watch.leftOvers(within, options.ignore))
              )
            ),
            Effect.sync(() => watch.end())
          )
        })
      )
    )
)

/** The effect, so that what it makes is known as its own and its fibers are seen. */
const watched = <A, E, R>(effect: Effect.Effect<A, E, R>, watch: InternalWatch): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    // Whoever was forked and has not begun runs up to its first wait.
    Effect.ensuring(effect, Effect.yieldNow).pipe(
      Effect.provideService(Scheduler.Scheduler, watchedScheduler(fiber.cache.scheduler, watch.tracker, fiber)),
      Effect.provideService(Tracer.Tracer, watchedTracer(fiber.getRef(Tracer.Tracer), watch.tracker))
    )
  )

const settled = <A, E>(
  exit: Exit.Exit<A, E>,
  leftOvers: Effect.Effect<ReadonlyArray<LeftOver>>
): Effect.Effect<A, E | TestingError.TestingError> =>
  Effect.flatMap(leftOvers, (leftOvers): Effect.Effect<A, E | TestingError.TestingError> => {
    if (leftOvers.length === 0) return exit
    const error = Cause.fail(TestingError.make({ _tag: "LeftOver", leftOvers }))
    return Effect.failCause(Exit.isFailure(exit) ? Cause.combine(exit.cause, error) : error)
  })

/**
 * A watch over code without Effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Watch extends Disposable {
  /**
   * What was made since the watch began and is still there. What is closing is waited for, for `within` at most. Rejects
   * with `InvalidOption`.
   */
  readonly leftOvers: () => Promise<ReadonlyArray<LeftOver>>
  /** Stops watching. To be called once nothing more is asked, which `using` does as well. */
  readonly end: () => void
}

/**
 * Begins to watch all that this thread makes. Fibers it does not see.
 *
 * ```ts
 * import { Leaks } from "@quiesce/testing"
 *
 * const watch = Leaks.watch()
 * const timer = setTimeout(() => {}, 60_000)
 * console.log(await watch.leftOvers())
 * clearTimeout(timer)
 * watch.end()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const watch = (options: Options = {}): Watch => {
  const watch = new InternalWatch("all")
  const end = () => watch.end()
  return {
    leftOvers: async () => watch.leftOvers(Result.getOrThrow(limitOf(options.within)), options.ignore),
    end,
    [Symbol.dispose]: end
  }
}

/**
 * Counts the listeners on AbortSignals that were added since the count began and are still there.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListenerWatch extends Disposable {
  readonly count: () => number
  /** Ends the count, as `using` does. */
  readonly end: () => void
}

/**
 * Begins to count the listeners of this thread on AbortSignals. A count is synchronous and records no places, so it
 * costs little: use it where thousands of short runs are checked, and `watch` elsewhere.
 *
 * @category constructors
 * @since 0.1.0
 */
export const watchListeners = (): ListenerWatch => {
  const watch = new InternalListenerWatch()
  const end = () => watch.end()
  return { count: () => watch.count(), end, [Symbol.dispose]: end }
}
