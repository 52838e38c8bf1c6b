/** The watch of a runner over the other runners, so that the threads of a dead one end at once. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { ClusterError } from "../../ClusterError.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import { engineOf, fenceRunner } from "../watch/lostRunner.ts"
import { RunnerWatch } from "../watch/runnerWatch.ts"
import { fromAddress, type RunnerId } from "../wire/runnerId.ts"

/** A runner that is watched until it is gone or has left. */
interface Peer {
  readonly runner: RunnerId
}

/**
 * The effect brings the watch up to date with the members of the store. The result says whether this runner has a valid row.
 */
export const make = (
  store: ThreadStore,
  own: RunnerId
): Effect.Effect<Effect.Effect<boolean, ClusterError>, never, Scope> =>
  Effect.gen(function* () {
    const engine = yield* engineOf
    const context = yield* Effect.context<never>()
    const peers = new Map<string, Peer>()
    const watch = yield* Effect.acquireRelease(
      Effect.sync(
        () =>
          new RunnerWatch<Peer>((runner) => {
            peers.delete(runner.incarnation)
            Effect.runForkWith(context)(fenceRunner(store, runner, engine))
          })
      ),
      (made) => made.close
    )
    return Effect.map(MemberStore.live(store, "runner"), (members) => {
      const live = new Map(members.map(({ address, id }) => [id, fromAddress(id, address)]))
      const isEntered = live.delete(own.incarnation)
      for (const [id, peer] of peers) {
        if (live.has(id)) continue
        peers.delete(id)
        watch.remove(peer.runner, peer)
      }
      for (const [id, runner] of live) {
        if (peers.has(id)) continue
        const peer = { runner }
        peers.set(id, peer)
        watch.add(runner, peer)
      }
      return isEntered
    })
  })
