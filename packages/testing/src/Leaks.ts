/**
 * Finds resources that an effect leaves over: listeners on EventTargets (such as AbortSignals) and EventEmitters, timers,
 * handles, workers, child processes, file descriptors and fibers. Each comes with the place of its creation.
 *
 * All resources count that this thread makes while the effect runs, also resources of other code. Resources of another
 * watched effect don't count.
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
import { visibilityProblem } from "./internal/effectInternals.ts"
import { watchedScheduler, watchedTracer } from "./internal/leaks/fibers.ts"
import { searchLimitOf } from "./internal/time/limit.ts"
import { checkedProgram } from "./internal/explore/givenProgram.ts"
import { checkOptions } from "./internal/wording.ts"
import { ListenerWatch as InternalListenerWatch, Watch as InternalWatch } from "./internal/leaks/watch.ts"
import type { LeftOver } from "./LeftOver.ts"
import * as TestingError from "./TestingError.ts"

/**
 * The options of a search.
 *
 * - `within`: the limit, in real time, on the wait for closing resources (default one second). Without left-overs there is
 *   no wait.
 * - `ignore`: the resources that may stay, such as the idle connections of an HTTP client (default: none)
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly within?: Duration.Input | undefined
  readonly ignore?: ((leftOver: LeftOver) => boolean) | undefined
}

/**
 * Runs an effect and fails with `LeftOver` if resources from the run still exist: a listener on any EventTarget or
 * EventEmitter, a timer, a handle, a worker, a child process, a file descriptor, a fiber. Closing resources are awaited.
 * Without left-overs the result is that of the effect. If the effect fails as well, one Cause has the failure and the
 * left-overs.
 *
 * Resources in an outer scope, and fibers that the effect forks as children of its caller, count as left over. Put
 * `Effect.scoped` around the effect, or join the forked fibers.
 *
 * Fails with `UnknownEffect` if the kit can't see the fibers of the installed Effect. A fiber could then be left over
 * unseen.
 *
 * *Cancellation*: the effect is interrupted, and the search still runs, for `within` at most.
 *
 * *Gotchas*: the place of a fiber is known only inside an `Effect.fn` or a span. Fibers of `Effect.runFork` are not seen,
 * but their timers and handles are. A timer of `AbortSignal.timeout` can't be cleared and does not count. A
 * listener on such a signal counts until the timeout, because Node keeps the signal until then. Full fake timers of a test
 * runner, such as `vi.useFakeTimers()`, stop Effect itself: use `Leaks.watch`, or fake fewer functions. Descriptors of
 * native code or of another thread are seen on Linux only, without their place.
 *
 * ```ts
 * import { Leaks } from "@quiesce/testing"
 * import { Effect } from "effect"
 *
 * const program = Leaks.none(Effect.sync(() => setTimeout(() => {}, 60_000)))
 * ```
 *
 * @stability unstable
 * @category combinators
 * @since 0.1.0
 */
export const none: <Arg extends Effect.Effect<unknown, unknown, unknown> | Options | undefined = Options>(
  effectOrOptions?: Arg,
  options?: Options
) => [Arg] extends [Effect.Effect<infer A, infer E, infer R>]
  ? Effect.Effect<A, E | TestingError.TestingError, R>
  : <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | TestingError.TestingError, R> = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(effect: Effect.Effect<A, E, R>, options: Options = {}) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(checkedLimit(effect, options), (within) =>
        Effect.suspend(() => {
          const problem = visibilityProblem()
          if (problem !== undefined) return Effect.fail(TestingError.make({ _tag: "UnknownEffect", problem }))
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

const checkedLimit = (effect: unknown, options: Options): Effect.Effect<number, TestingError.TestingError> =>
  Effect.flatMap(checkedProgram("Leaks.none", effect, options), () => Effect.fromResult(searchLimitOf(options)))

/** The effect, with a mark for its resources and fibers. */
const watched = <A, E, R>(effect: Effect.Effect<A, E, R>, watch: InternalWatch): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) =>
    // A forked fiber that has not begun runs up to its first wait.
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
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Watch extends Disposable {
  /**
   * The resources that were made since the watch began and still exist. Closing resources are awaited, for `within` at
   * most. Rejects with `InvalidOption`.
   */
  readonly leftOvers: () => Promise<ReadonlyArray<LeftOver>>
  /** Ends the watch, as `using` does. */
  readonly end: () => void
}

/**
 * Begins to watch the resources of this thread. The watch does not see fibers.
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
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const watch = (options: Options = {}): Watch => {
  checkOptions("Leaks.watch", options)
  const watch = new InternalWatch("all")
  const end = () => watch.end()
  return {
    leftOvers: async () => watch.leftOvers(Result.getOrThrow(searchLimitOf(options)), options.ignore),
    end,
    [Symbol.dispose]: end
  }
}

/**
 * Counts the listeners on AbortSignals that were added since the count began and are still there.
 *
 * @stability unstable
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
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const watchListeners = (): ListenerWatch => {
  const watch = new InternalListenerWatch()
  const end = () => watch.end()
  return { count: () => watch.count(), end, [Symbol.dispose]: end }
}
