/**
 * A thread without real work. A script says how the thread reacts to each rung, in the time of the `Clock`. With a virtual
 * clock, a test can try an escalation and its report without a worker and without waiting.
 *
 * @since 0.1.0
 */
import * as ThreadAdapter from "@quiesce/core/adapter"
import type { SpawnOptions, Thread } from "@quiesce/core/Thread"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { FakeThread } from "./internal/fake/fakeThread.ts"
import { checked, type Lacks, type Reaction, type Refuses, type Script } from "./internal/fake/script.ts"
import type * as TestingError from "./TestingError.ts"

export type { Lacks, Lease, Reaction, Refuses, Script } from "./internal/fake/script.ts"

/**
 * The thread ignores the request.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const ignores: Reaction<never, never> = { _tag: "Ignores" }

/**
 * The thread ends after a time, and after the release of its leases. The default for `exit` depends on the rung.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const endsAfter = <A = never, E = never>(after: Duration.Input, exit?: Exit.Exit<A, E>): Reaction<A, E> => ({
  _tag: "Ends",
  after,
  exit
})

/**
 * The thread refuses the unwind with a reason.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const refuses = (why: string): Refuses => ({ _tag: "Refuses", why })

/**
 * The thread lacks the rung.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const lacks: Lacks = { _tag: "Lacks" }

/**
 * Spawns a thread with a script into the current scope. The thread accepts no raised error, so `Thread.raise` returns
 * `false` at its end.
 *
 * Fails with `InvalidOption` for an invalid duration.
 *
 * *Cancellation*: either no thread exists, or the thread is in its scope and ends with the scope.
 *
 * ```ts
 * import { Thread } from "@quiesce/core"
 * import { FakeAdapter } from "@quiesce/testing"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const thread = yield* FakeAdapter.spawn({ onStop: FakeAdapter.endsAfter("300 millis") })
 *   return yield* Thread.shutdown(thread, { escalation: { stop: "1 second", kill: "1 second" } })
 * }).pipe(Effect.scoped)
 * ```
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const spawn = <A = never, E = never>(
  script: Script<A, E> = {},
  options?: SpawnOptions
): Effect.Effect<Thread<A | void, E>, TestingError.TestingError, Scope.Scope> =>
  Effect.flatMap(checked(script), () =>
    Effect.clockWith((clock) => {
      let fake: FakeThread<A, E> | undefined
      const spawned = ThreadAdapter.spawn<A | void, E, never, never>((cell) => {
        fake = new FakeThread(cell, script, clock)
        return Effect.as(fake.start, fake)
      }, options)
      return Effect.tap(spawned, (thread) => Effect.sync(() => ThreadAdapter.onExit(thread, () => fake?.close())))
    })
  ).pipe(Effect.uninterruptible)
