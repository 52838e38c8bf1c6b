/** Checks the limits and the escalations that users give. */
import { millisOf } from "@quiesce/core/internal"
import * as Escalation from "@quiesce/core/Escalation"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as ClusterError from "../ClusterError.ts"

/** A limit above 0 in milliseconds. */
export const limitOf = (option: string, duration: Duration.Input): Effect.Effect<number> => {
  const millis = Result.getOrElse(millisOf(duration), () => 0)
  if (millis > 0) return Effect.succeed(millis)
  const problem = `it is not a duration above 0. Give one such as "1 minute".`
  return Effect.die(ClusterError.make({ _tag: "InvalidOption", option, problem }))
}

/** The escalation itself, if its graces are durations. */
export const escalationOf = (escalation: Escalation.Escalation): Effect.Effect<Escalation.Escalation> =>
  Result.match(Escalation.steps(escalation), {
    onFailure: ({ message }) =>
      Effect.die(ClusterError.make({ _tag: "InvalidOption", option: "escalation", problem: message })),
    onSuccess: () => Effect.succeed(escalation)
  })
