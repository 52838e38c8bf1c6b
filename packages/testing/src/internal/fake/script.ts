/** The script of a fake thread: how it reacts when it is asked to end. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { format } from "effect/Formatter"
import * as Option from "effect/Option"
import * as TestingError from "../../TestingError.ts"

/**
 * What a thread does when it is asked to end: it `Ignores` that, or it `Ends` some time after.
 *
 * @category models
 * @since 0.1.0
 */
export type Reaction<A, E> =
  | { readonly _tag: "Ignores" }
  | { readonly _tag: "Ends"; readonly after: Duration.Input; readonly exit: Exit.Exit<A, E> | undefined }

/**
 * It is not unwound, because what runs must not be ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refuses {
  readonly _tag: "Refuses"
  readonly why: string
}

/**
 * What it runs on does not have the rung.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lacks {
  readonly _tag: "Lacks"
}

/**
 * A resource that a thread holds from its start.
 *
 * - `takes`: how long its release takes (default: no time); `"Infinity"` for one that hangs
 * - `fate`: what comes of the release (default `released`), and `error` what it fails with
 * - `keeper`: a lease of the `thread` (the default) is lost when that is killed; one that the `host` keeps is released
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease {
  readonly name: string
  readonly takes?: Duration.Input | undefined
  readonly fate?: "released" | "failed" | "timedOut" | undefined
  readonly error?: string | undefined
  readonly keeper?: "thread" | "host" | undefined
}

/**
 * How a thread behaves.
 *
 * - `onStart`: whether it ends by itself (default: it does not)
 * - `onStop`: default: it ignores that; it succeeds without a value where an end has no exit
 * - `onInterrupt`: default: it ends at once; it is interrupted where an end has no exit
 * - `onUnwind`: the same; a thread that ignores it runs nothing that could be unwound
 * - `onKill`: the same; it is killed where an end has no exit
 * - `leases`: in the order in which they were acquired (default: none). At an end they are released one after another,
 *   the latest first, before the thread has ended
 * - `stack`: the stack that an unwind and a search report (default: none)
 *
 * @category models
 * @since 0.1.0
 */
export interface Script<A, E> {
  readonly onStart?: Reaction<A, E> | undefined
  readonly onStop?: Reaction<A, E> | undefined
  readonly onInterrupt?: Reaction<A, E> | undefined
  readonly onUnwind?: Reaction<A, E> | Refuses | Lacks | undefined
  readonly onKill?: Reaction<A, E> | Lacks | undefined
  readonly leases?: ReadonlyArray<Lease> | undefined
  readonly stack?: string | undefined
}

/** A script whose times are times. */
export const checked = <A, E>(script: Script<A, E>): Effect.Effect<void, TestingError.TestingError> => {
  const times: Array<readonly [option: string, time: Duration.Input]> = []
  for (const key of ["onStart", "onStop", "onInterrupt", "onUnwind", "onKill"] as const) {
    const reaction = script[key]
    if (reaction?._tag === "Ends") times.push([key, reaction.after])
  }
  for (const lease of script.leases ?? []) times.push([`lease "${lease.name}"`, lease.takes ?? 0])
  const wrong = times.find(
    ([, time]) => !Option.exists(Duration.fromInput(time), (time) => Duration.toMillis(time) >= 0)
  )
  if (wrong === undefined) return Effect.void
  const problem = `${format(wrong[1])} is no time. Give one such as "300 millis"`
  return Effect.fail(TestingError.make({ _tag: "InvalidOption", option: wrong[0], problem }))
}
