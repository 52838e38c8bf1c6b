/** Fences the threads of a dead runner, and marks the runner as unhealthy for the engine. */
import { RunnerAddress } from "effect/cluster/RunnerAddress"
import { RunnerStorage } from "effect/cluster/RunnerStorage"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import * as Outcome from "../wire/outcome.ts"
import { lostReason, nameOf, type RunnerId } from "../wire/runnerId.ts"

/**
 * Raises the tokens of the runner's threads, and removes the runner. Tries until the store has done so. The engine then
 * gives the runner's shards to others at once, and not when their locks have expired.
 */
export const fenceRunner = (
  store: ThreadStore,
  runner: RunnerId,
  engine: RunnerStorage["Service"] | undefined
): Effect.Effect<void> =>
  Outcome.encodeReason(lostReason(nameOf(runner))).pipe(
    Effect.flatMap((reason) => store.killAllOf(runner.incarnation, reason)),
    Effect.andThen(MemberStore.remove(store, runner.incarnation)),
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.orDie,
    Effect.andThen(engine === undefined ? Effect.void : unhealthy(engine, runner))
  )

const unhealthy = (engine: RunnerStorage["Service"], { host, port }: RunnerId): Effect.Effect<void> =>
  host === null || port === null
    ? Effect.void
    : Effect.ignore(engine.setRunnerHealth(RunnerAddress.make({ host, port }), false))

/** The engine's record of the runners, where the program has it. */
export const engineOf: Effect.Effect<RunnerStorage["Service"] | undefined> = Effect.map(
  Effect.context<never>(),
  (context) => Context.getOrUndefined(context, RunnerStorage)
)
