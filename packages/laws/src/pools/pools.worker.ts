/** The work of the laws of pools, as a task of a contract. */
import { Blocking } from "@quiesce/core"
import * as HostLease from "@quiesce/worker-threads/HostLease"
import * as HostLeases from "@quiesce/worker-threads/HostLeases"
import * as ThreadWorker from "@quiesce/worker-threads/ThreadWorker"
import * as Effect from "effect/Effect"
import { PoolTasks } from "./contract.ts"
import { begin, end, leaseHeld, passGate, prefixOf, type Work, workNow } from "./work.ts"

const perform = (work: Work): Effect.Effect<number> => {
  if (work.how === "wait") return Effect.never
  if (work.how === "gate") return Effect.promise(() => passGate(work))
  // As in a plain function, a loop with leases ends only with its worker.
  if (work.how === "spin" && work.leases > 0) return Effect.uninterruptible(Effect.sync(() => workNow(work)))
  return work.how === "spin" ? Blocking.interruptible(() => workNow(work)) : Effect.sync(() => workNow(work))
}

const acquire = (work: Work) =>
  Effect.andThen(
    HostLease.acquire(HostLeases.temporaryFolder, { prefix: prefixOf(work.n) }),
    Effect.sync(() => leaseHeld(work))
  )

ThreadWorker.main(
  PoolTasks,
  PoolTasks.toLayer({
    Work: (work) =>
      Effect.gen(function* () {
        begin(work)
        yield* Effect.addFinalizer(() => Effect.sync(() => end(work)))
        for (let i = 0; i < work.leases; i++) yield* acquire(work)
        return yield* perform(work)
      }).pipe(Effect.scoped, Effect.orDie)
  })
)
