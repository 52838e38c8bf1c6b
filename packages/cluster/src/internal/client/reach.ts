/** Requests to the runner of a thread, which may not be known yet, may be lost, or may be gone. */
import { messageOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import * as ClusterError from "../../ClusterError.ts"
import type { ThreadClient } from "./threadClient.ts"

/** A thread, as far as a request needs it. */
export interface Reachable {
  readonly isAsked: boolean
  readonly isOver: boolean
  /** Completes when a runner has started the thread, or when the thread has settled. */
  readonly whenKnown: Effect.Effect<void>
  readonly whenOver: Effect.Effect<void>
}

/** The pause between two attempts to reach a thread. */
export const againMillis = 100

/** Attempts without an end, with that pause. */
export const again: Schedule.Schedule<number> = Schedule.spaced(againMillis)

/** How long a runner has for a stack or a kill. Nobody depends on the answer. */
export const courtesy = "2 seconds"

/** Asks until the runner answers or the thread has settled. None if the thread has settled before. */
export const reach = <A>(thread: Reachable, ask: Effect.Effect<A | null, unknown>): Effect.Effect<Option.Option<A>> =>
  Effect.suspend(() => {
    if (thread.isOver) return Effect.succeedNone
    if (thread.isAsked) return Effect.andThen(thread.whenKnown, reach(thread, ask))
    // A runner that is gone never answers. A runner may still answer just after the outcome.
    const late = Effect.as(Effect.andThen(thread.whenOver, Effect.sleep(courtesy)), null)
    return Effect.flatMap(Effect.exit(Effect.raceFirst(ask, late)), (exit) => {
      if (Exit.isSuccess(exit) && exit.value !== null) return Effect.succeedSome(exit.value)
      return Effect.andThen(Effect.raceFirst(Effect.sleep(againMillis), thread.whenOver), reach(thread, ask))
    })
  })

/** The fields of an error as JSON: the `receive` of the thread decodes them by its Schema. Throws a `ClusterError`. */
export const encodedError = (task: string, error: unknown): Schema.Json => {
  const fields = error instanceof Error ? Object.assign({}, error, { name: error.name, message: error.message }) : error
  try {
    // The parse of a text gives JSON.
    return JSON.parse(JSON.stringify(fields)) as Schema.Json
  } catch (cause) {
    throw ClusterError.make({ _tag: "NotSendable", task, problem: messageOf(cause) })
  }
}

/** The stack of a running thread; none if its runner does not say it in time. */
export const stackOf = (client: ThreadClient): Effect.Effect<Option.Option<string>> =>
  client.Locate().pipe(
    Effect.timeoutOption(courtesy),
    Effect.map(Option.filter((stack): stack is string => typeof stack === "string" && stack !== "")),
    Effect.catchCause(() => Effect.succeedNone)
  )
