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
export const fenceRunner = (store: ThreadStore, runner: RunnerId, engine: Engine | undefined): Effect.Effect<void> =>
  Outcome.encodeReason(lostReason(nameOf(runner))).pipe(
    Effect.flatMap((reason) => store.killAllOf(runner.incarnation, reason)),
    Effect.andThen(MemberStore.remove(store, runner.incarnation)),
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.orDie,
    Effect.andThen(engine === undefined ? Effect.void : unhealthy(engine, runner))
  )

/** The locks of a runner in tables would hold back its shards until they expire, half a minute by default. */
const unhealthy = ({ hasTableLocks, runners }: Engine, { host, port }: RunnerId): Effect.Effect<void> => {
  if (host === null || port === null) return Effect.void
  const address = RunnerAddress.make({ host, port })
  return Effect.andThen(
    Effect.ignore(runners.setRunnerHealth(address, false)),
    hasTableLocks ? Effect.ignore(runners.releaseAll(address)) : Effect.void
  )
}

/** The engine's record of the runners. */
export interface Engine {
  readonly runners: RunnerStorage["Service"]
  /** Whether any process can release the locks of a runner. The locks of a database session end with the session. */
  readonly hasTableLocks: boolean
}

/** Whether the engine keeps its locks in tables of the store, as on SQLite. */
export const TableLocks: Context.Reference<boolean> = Context.Reference("@quiesce/cluster/TableLocks", {
  defaultValue: () => false
})

/** The engine, where the program has one. */
export const engineOf: Effect.Effect<Engine | undefined> = Effect.map(Effect.context<never>(), (context) => {
  const runners = Context.getOrUndefined(context, RunnerStorage)
  return runners && { runners, hasTableLocks: Context.get(context, TableLocks) }
})
