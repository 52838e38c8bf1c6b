/** Fences the threads of a runner that is gone. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import * as Outcome from "../wire/outcome.ts"
import { lostReason, nameOf, type RunnerId } from "../wire/runnerId.ts"

/** Raises the tokens of the runner's threads, and removes the runner. Tries until the store has done so. */
export const fenceRunner = (store: ThreadStore, runner: RunnerId): Effect.Effect<void> =>
  Outcome.encodeReason(lostReason(nameOf(runner))).pipe(
    Effect.flatMap((reason) => store.killAllOf(runner.incarnation, reason)),
    Effect.andThen(MemberStore.remove(store, runner.incarnation)),
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.orDie
  )
