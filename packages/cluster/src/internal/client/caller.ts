/**
 * A process that has threads in the cluster. Its row in the store is renewed while the process lives. A runner that misses
 * the row ends the threads.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Sharding } from "effect/cluster/Sharding"
import type { ClusterError } from "../../ClusterError.ts"
import { ClusterStore } from "../../ClusterStore.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import { Calm, pauseFor } from "../watch/calm.ts"
import { type Engine, engineOf, fenceRunner } from "../watch/lostRunner.ts"
import { LiveThreads } from "./liveThreads.ts"
import type { RemoteThread, Shared } from "./remoteThread.ts"
import { LostRunners } from "./lostRunners.ts"
import { RunnerWatch } from "../watch/runnerWatch.ts"
import type { RunnerId } from "../wire/runnerId.ts"
import * as Client from "./threadClient.ts"
import { UnstartedThreads } from "./unstarted.ts"

export interface Limits {
  readonly startWithin: number
  readonly timeToLive: number
}

/** Enters this process into the store, in the current scope. */
export const make = ({
  startWithin,
  timeToLive
}: Limits): Effect.Effect<Shared, ClusterError, Sharding | ClusterStore | Scope.Scope> =>
  Effect.gen(function* () {
    const store = yield* ClusterStore
    const clientOf = yield* Client.make
    const caller = `caller-${crypto.randomUUID()}`
    const member = { id: caller, kind: "caller", address: null } as const
    yield* Effect.acquireRelease(MemberStore.renew(store, member, timeToLive), () =>
      Effect.ignore(MemberStore.remove(store, caller))
    )
    const scope = yield* Effect.acquireRelease(Scope.make(), (made, exit) => Scope.close(made, exit))
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const fork = (effect: Effect.Effect<unknown>): Fiber.Fiber<unknown> => Fiber.runIn(runFork(effect), scope)
    const calm = yield* Calm.make(store)
    // After an absence, the store must soon know of this process again.
    const beat = Effect.ignore(Effect.retry(calm.renew(member, timeToLive), Schedule.spaced(lookMillis)))
    fork(Effect.forever(Effect.andThen(Effect.sleep(pauseFor(timeToLive)), beat)))
    const engine = yield* engineOf
    const watch = yield* watchRunners(store, fork, engine)
    const lost = new LostRunners(store, engine, calm)
    const unstarted = new UnstartedThreads(store, lost, watch)
    // Suspended, because the watched runners are not the same at each look.
    const settle = Effect.suspend(() => settleFenced(store, lost, watch))
    const judge = Effect.suspend(() => Effect.map(lost.silent(watch.unproven), (silent) => watch.giveUp(silent)))
    const look = Effect.ignore(Effect.andThen(lost.look, Effect.andThen(settle, Effect.andThen(judge, unstarted.look))))
    fork(Effect.forever(Effect.andThen(Effect.sleep(lookMillis), look)))
    const live = new LiveThreads()
    // Added last, so that the threads end while the fibers that follow them still run.
    yield* Effect.addFinalizer((exit) => live.end(exit))
    return {
      store,
      caller,
      startWithin,
      fork,
      clientOf,
      unstarted,
      live,
      watch: (runner, thread) => watch.add(runner, thread),
      unwatch: (runner, thread) => watch.remove(runner, thread)
    }
  })

/** The parts of a thread for the watch of its runner. */
type Watched = Pick<RemoteThread, "isAmong" | "settleByRow">

/** The pause between two looks for threads that were killed in the store. */
const lookMillis = 1000

/** A frozen runner does not report the end of its threads in the store. */
const settleFenced = (
  store: ThreadStore,
  lost: LostRunners,
  watch: RunnerWatch<Watched>
): Effect.Effect<void, ClusterError> => {
  const watched = watch.all
  const settle = Effect.forEach(
    watched,
    ({ runner, threads }) =>
      Effect.flatMap(store.killedOf(runner.incarnation), (ids) => {
        const killed = new Set(ids)
        return Effect.forEach(
          threads.filter((thread) => thread.isAmong(killed)),
          (thread) => thread.settleByRow,
          { discard: true }
        )
      }),
    { discard: true }
  )
  return Effect.andThen(lost.fence(new Set(watched.map(({ runner }) => runner.incarnation))), settle)
}

const watchRunners = (
  store: ThreadStore,
  fork: Shared["fork"],
  engine: Engine | undefined
): Effect.Effect<RunnerWatch<Watched>, never, Scope.Scope> => {
  const onGone = (runner: RunnerId, threads: ReadonlyArray<Watched>): void => {
    const settleAll = Effect.forEach(threads, (thread) => thread.settleByRow, { discard: true })
    fork(Effect.andThen(fenceRunner(store, runner, engine), settleAll))
  }
  return Effect.acquireRelease(
    Effect.sync(() => new RunnerWatch(onGone)),
    (watch) => watch.close
  )
}
