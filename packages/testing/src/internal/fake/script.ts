/** The script of a fake thread: its reactions to the rungs. */
import { millisOf, textOf } from "@quiesce/core/internal"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as TestingError from "../../TestingError.ts"

/**
 * The reaction of a thread to a rung: it `Ignores` the request, or `Ends` after some time.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Reaction<A, E> =
  | { readonly _tag: "Ignores" }
  | { readonly _tag: "Ends"; readonly after: Duration.Input; readonly exit: Exit.Exit<A, E> | undefined }

/**
 * The thread refuses the unwind, because the running code must not be ended.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Refuses {
  readonly _tag: "Refuses"
  readonly why: string
}

/**
 * The thread lacks the rung.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Lacks {
  readonly _tag: "Lacks"
}

/**
 * A lease that a thread holds from its start.
 *
 * - `takes`: the duration of its release (default: none); `"Infinity"` for a hanging release
 * - `fate`: the result of the release (default `released`), and `error` its failure
 * - `keeper`: a kill loses a lease of the `thread` (the default), and releases a lease of the `host`
 *
 * @stability unstable
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
 * The behaviour of a thread.
 *
 * - `onStart`: its end without a request (default: none)
 * - `onStop`: default: ignores the request; an end without `exit` succeeds without a value
 * - `onInterrupt`: default: ends at once; an end without `exit` is an interruption
 * - `onUnwind`: the same; a thread that ignores an unwind runs no synchronous code
 * - `onKill`: the same; an end without `exit` is a kill
 * - `leases`: in the order of their acquires (default: none). Before the thread ends, its leases are released one after
 *   another, the latest first
 * - `stack`: the stack that an unwind and a search report (default: none)
 *
 * @stability unstable
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

/** The tags of the reactions to a rung. */
const reactions = {
  onStart: ["Ignores", "Ends"],
  onStop: ["Ignores", "Ends"],
  onInterrupt: ["Ignores", "Ends"],
  onUnwind: ["Ignores", "Ends", "Refuses", "Lacks"],
  onKill: ["Ignores", "Ends", "Lacks"]
} as const

const rungs = ["onStart", "onStop", "onInterrupt", "onUnwind", "onKill"] as const

/** Checks the reactions, leases and durations of a script. */
export const checked = <A, E>(script: Script<A, E>): Effect.Effect<void, TestingError.TestingError> => {
  if (typeof script !== "object" || script === null) return invalid("script", `${textOf(script)} is not an object`)
  const unknown = rungs.find((rung) => script[rung] !== undefined && !isReaction(script[rung], reactions[rung]))
  if (unknown !== undefined) {
    return invalid(unknown, `${textOf(script[unknown])} is no reaction to it. Give one such as FakeAdapter.ignores`)
  }
  const { leases = [] } = script
  if (!Array.isArray(leases) || !leases.every(isLease)) {
    return invalid("leases", `${textOf(leases)} is no array of leases. Give one such as [{ name: "file" }]`)
  }
  return checkedTimes(script)
}

const isReaction = (reaction: unknown, tags: ReadonlyArray<string>): boolean =>
  typeof reaction === "object" && reaction !== null && "_tag" in reaction && tags.some((tag) => tag === reaction._tag)

const isLease = (lease: unknown): boolean =>
  typeof lease === "object" && lease !== null && "name" in lease && typeof lease.name === "string"

const checkedTimes = <A, E>(script: Script<A, E>): Effect.Effect<void, TestingError.TestingError> => {
  const times: Array<readonly [option: string, time: Duration.Input]> = []
  for (const key of rungs) {
    const reaction = script[key]
    if (reaction?._tag === "Ends") times.push([key, reaction.after])
  }
  for (const lease of script.leases ?? []) times.push([`lease "${lease.name}"`, lease.takes ?? 0])
  const wrong = times.find(([, time]) => Result.isFailure(millisOf(time)))
  if (wrong === undefined) return Effect.void
  const problem = `${textOf(wrong[1])} is no time. Give one such as "300 millis"`
  return invalid(wrong[0], problem)
}

const invalid = (option: string, problem: string): Effect.Effect<never, TestingError.TestingError> =>
  Effect.fail(TestingError.make({ _tag: "InvalidOption", option, problem }))
