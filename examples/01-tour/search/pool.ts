/** The pool of the searches, as the host sees it. */
import { mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { Lease, Thread } from "@quiesce/core"
import { HostLease, WorkerPool } from "@quiesce/worker-threads"
import type { WorkerError } from "@quiesce/worker-threads"
import { Effect } from "effect"
import type { Scope } from "effect"
import type { RpcGroup } from "effect/rpc"
import * as Outside from "../outside.ts"
import type { Place } from "../Scene.ts"
import { Scratch, Searches } from "./contract.ts"

export type Searchers = WorkerPool.WorkerPool<RpcGroup.Rpcs<typeof Searches>>

/**
 * A pool of searchers for the scope of a scene. Node closes the files of a killed worker. Lost leases are counted as freed
 * by that if, at the end of the scene, as many files of the tour are open as before.
 */
export const makePool = (place: Place, size: number): Effect.Effect<Searchers, WorkerError.WorkerError, Scope.Scope> =>
  Effect.gen(function* () {
    const scene = yield* Thread.current
    const before = Outside.openBelow(place.folder)
    yield* Effect.addFinalizer(() =>
      Effect.map(Lease.tally(scene), ({ lost }) => {
        if (Outside.openBelow(place.folder) !== before) return
        place.freedBy(Outside.canList ? "the end of the worker" : "the end of the worker (not seen)", lost)
      })
    )
    return yield* WorkerPool.make(Searches, {
      spawn: (options) => new Worker(new URL("./search.worker.ts", import.meta.url), options),
      // Workers start on demand, so that no worker starts after the last task was killed.
      size: { min: 0, max: size },
      escalation: { interrupt: "100 millis", unwind: "500 millis", kill: "5 seconds" },
      hostLeases: [HostLease.handler(Scratch, (prefix) => temporaryFolder(place.folder, prefix))]
    })
  })

const temporaryFolder = (parent: string, prefix: string) =>
  Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(parent, prefix))),
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )

/** The reason why a section can't be ended here; undefined if it can. */
export const sectionProblem = ({ capabilities: { unwind } }: Searchers): string | undefined =>
  unwind._tag === "None" ? unwind.why : undefined

/** The reason why blocking code outside a section can't be ended here; undefined if it can. */
export const otherCodeProblem = ({ capabilities: { unwind } }: Searchers): string | undefined =>
  unwind._tag === "SectionsAndOtherCode" ? undefined : unwind.why

/** Waits until a task is busy, and gives the id of its OS thread. */
export const whenBusy = (busy: Int32Array<SharedArrayBuffer>): Effect.Effect<number> =>
  Effect.promise(async () => {
    const waiting = Atomics.waitAsync(busy, 0, 0)
    if (waiting.async) await waiting.value
    return Atomics.load(busy, 0)
  })
