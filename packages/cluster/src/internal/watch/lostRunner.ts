/** Fences the threads of a dead runner, and marks the runner as unhealthy for the engine. */
import { RunnerAddress } from "effect/cluster/RunnerAddress"
import { RunnerStorage } from "effect/cluster/RunnerStorage"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { ClusterError } from "../../ClusterError.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import * as Outcome from "../wire/outcome.ts"
import { addressOf, fromAddress, lostReason, nameOf, type RunnerId } from "../wire/runnerId.ts"

/**
 * Raises the tokens of the runner's threads, and removes the runner. Tries until the store has done so. The engine then
 * gives the runner's shards to others at once, and not when their locks have expired.
 */
export const fenceRunner = (store: ThreadStore, runner: RunnerId, engine: Engine | undefined): Effect.Effect<void> =>
  fence(store, runner).pipe(
    Effect.andThen(at(store, runner)),
    Effect.retry(Schedule.spaced("200 millis")),
    Effect.orDie,
    Effect.flatMap((next) => (engine === undefined || next.length > 0 ? Effect.void : unhealthy(engine, runner)))
  )

/**
 * Fences the threads of the former runners at the address of a runner that listens there now. A supervisor may have started
 * the runner again so soon that no other process has seen a closed port.
 */
export const fenceFormer = (store: ThreadStore, runner: RunnerId): Effect.Effect<void, ClusterError> =>
  Effect.flatMap(at(store, runner), (former) => Effect.forEach(former, (one) => fence(store, one), { discard: true }))

const fence = (store: ThreadStore, runner: RunnerId): Effect.Effect<void, ClusterError> =>
  Outcome.encodeReason(lostReason(nameOf(runner))).pipe(
    Effect.flatMap((reason) => store.killAllOf(runner.incarnation, reason)),
    Effect.andThen(MemberStore.remove(store, runner.incarnation))
  )

/** The other runners at the address of a runner. */
const at = (store: ThreadStore, runner: RunnerId): Effect.Effect<ReadonlyArray<RunnerId>, ClusterError> => {
  const address = addressOf(runner)
  if (address === null) return Effect.succeed([])
  return Effect.map(MemberStore.live(store, "runner"), (members) =>
    members
      .filter((member) => member.address === address && member.id !== runner.incarnation)
      .map(({ id }) => fromAddress(id, address))
  )
}

/**
 * The locks of a runner in tables would hold back its shards until they expire, half a minute by default. The engine knows a
 * runner by its address alone, so this is not for a runner that was started again.
 */
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
