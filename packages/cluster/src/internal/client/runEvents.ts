/** Follows the events of a thread through lost connections. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/**
 * Runs the stream again after each of its ends, until `isOver`. The stream of a thread ends with an event that settles the
 * thread; every other end is a lost connection, a runner that can't start the thread, or an engine that has no runner.
 */
export const run = <A>(
  events: Stream.Stream<A, unknown>,
  on: (event: A) => Effect.Effect<void>,
  isOver: () => boolean,
  pauseMillis: number
): Effect.Effect<void> =>
  Effect.suspend(() =>
    isOver()
      ? Effect.void
      : Stream.runForEach(events, on).pipe(
          Effect.exit,
          Effect.andThen(Effect.suspend(() => (isOver() ? Effect.void : Effect.sleep(pauseMillis)))),
          Effect.andThen(Effect.suspend(() => run(events, on, isOver, pauseMillis)))
        )
  )
