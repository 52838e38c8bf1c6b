/** Follows the events of a thread through lost connections. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** `start` gives the events of the first moment, and `events` gives all events. */
interface Source<A> {
  readonly start: Effect.Effect<ReadonlyArray<A>, unknown>
  readonly events: Stream.Stream<A, unknown>
}

/** The thread at the client. */
interface Follower<A> {
  readonly on: (event: A) => Effect.Effect<void>
  readonly isOver: () => boolean
  readonly hasStarted: () => boolean
}

/**
 * Starts the thread, and then runs the stream of a thread that goes on. Both come again until `isOver`. The events of a
 * thread end with an event that settles the thread; every other end is a lost connection, a runner that can't start the
 * thread, or an engine that has no runner.
 */
export const run = <A>(source: Source<A>, follower: Follower<A>, pauseMillis: number): Effect.Effect<void> => {
  const { hasStarted, isOver, on } = follower
  const unlessOver = (effect: () => Effect.Effect<void, unknown>): Effect.Effect<void, unknown> =>
    Effect.suspend(() => (isOver() ? Effect.void : effect()))
  const follow = unlessOver(() => (hasStarted() ? Stream.runForEach(source.events, on) : Effect.void))
  const first = Effect.flatMap(source.start, (events) => Effect.forEach(events, on, { discard: true }))
  const again: Effect.Effect<void> = Effect.andThen(
    Effect.exit(Effect.andThen(first, follow)),
    Effect.ignore(
      unlessOver(() =>
        Effect.andThen(
          Effect.sleep(pauseMillis),
          unlessOver(() => again)
        )
      )
    )
  )
  return again
}
