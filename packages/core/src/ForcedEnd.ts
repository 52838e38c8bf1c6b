/**
 * The end of a thread by force, without its finalizers, as an annotation of the thread's Cause.
 *
 * A kill is an interruption, because another thread asked for it: the Cause has the reason and no defect. A crash is the
 * typed error of the adapter. The annotation tells such a thread from a thread that has cleaned up, and names the lost
 * leases.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Argument from "./internal/argument.ts"
import * as ReasonFrame from "./internal/reasonFrame.ts"

/**
 * The end of `thread` by force. `lost` has the names of its leases that nobody released, the latest first.
 *
 * - `Killed`: another thread asked for the end on the rung `kill`
 * - `Crashed`: the worker or process of the thread broke down. The Cause has the error of the adapter, which can be caught
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ForcedEnd =
  | {
      readonly _tag: "Killed"
      readonly rung: "kill"
      readonly thread: string
      readonly lost: ReadonlyArray<string>
    }
  | { readonly _tag: "Crashed"; readonly thread: string; readonly lost: ReadonlyArray<string> }

/** @stability unstable @category constructors @since 0.1.0 */
export const killed = (thread: string, lost: ReadonlyArray<string>): ForcedEnd => ({
  _tag: "Killed",
  rung: "kill",
  thread,
  lost
})

/** @stability unstable @category constructors @since 0.1.0 */
export const crashed = (thread: string, lost: ReadonlyArray<string>): ForcedEnd => ({ _tag: "Crashed", thread, lost })

const Annotation: Context.Service<"@quiesce/core/ForcedEnd", ForcedEnd> = /* @__PURE__ */ Context.Service<
  "@quiesce/core/ForcedEnd",
  ForcedEnd
>("@quiesce/core/ForcedEnd")

/**
 * Adds the end to each entry of a Cause, such as `CancelReason.toCause(reason)`. `Cause.pretty` then prints the end after
 * the reason.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const annotate = <E>(cause: Cause.Cause<E>, end: ForcedEnd): Cause.Cause<E> =>
  Cause.fromReasons(
    Argument.cause("ForcedEnd.annotate", cause).reasons.map((entry) => {
      const annotations = new Map<string, unknown>().set(Annotation.key, end)
      if (Cause.isInterruptReason(entry)) annotations.set(ReasonFrame.key, ReasonFrame.followedBy(entry, textOf(end)))
      return entry.annotate(Context.makeUnsafe(annotations), { overwrite: true })
    })
  )

const textOf = ({ _tag, lost, thread }: ForcedEnd): string =>
  `${JSON.stringify(thread)}, ${_tag.toLowerCase()} without its finalizers, lost ${JSON.stringify(lost)}`

/**
 * The end by force in a Cause; none if the thread ended by itself or cleaned up. The Cause of a thread that has joined a
 * killed or crashed thread names that thread.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const fromCause = (cause: Cause.Cause<unknown>): Option.Option<ForcedEnd> =>
  Option.fromUndefinedOr(inCause(Argument.cause("ForcedEnd.fromCause", cause)))

/** @stability unstable @category conversions @since 0.1.0 */
export const fromExit = (exit: Exit.Exit<unknown, unknown>): Option.Option<ForcedEnd> => {
  const cause = Argument.causeOf("ForcedEnd.fromExit", exit)
  return cause === undefined ? Option.none() : fromCause(cause)
}

const inCause = (cause: Cause.Cause<unknown>): ForcedEnd | undefined => {
  for (const entry of cause.reasons) {
    // Only `annotate` uses the key.
    const found = entry.annotations.get(Annotation.key) as ForcedEnd | undefined
    if (found !== undefined) return found
  }
  return undefined
}
