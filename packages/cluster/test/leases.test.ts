/** Leases that outlive their thread, and checked writes. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { ClusterLease, ClusterRunner, ClusterThreads, Fence } from "@quiesce/cluster"
import { Thread } from "@quiesce/core"
import type { WorkerPool } from "@quiesce/worker-threads"
import { Effect, Layer, type Scope } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { afterAll, describe, expect, it } from "vitest"
import { events } from "./fixtures/eventLog.ts"
import { Folder, folders, leaseHandlers, LeaseTasks } from "./fixtures/leaseTasks.ts"
import { storeOf } from "./fixtures/store.ts"

const root = mkdtempSync(join(tmpdir(), "quiesce-leases-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let folderCount = 0
const nextFolder = (): string => join(root, `folder-${folderCount++}`)

/** Where the bodies run: on fibers of the runner, or in a worker of its pool. */
const places = ["fibers", "pool"] as const

const keeping = { escalation: { interrupt: "1 second" }, keepers: [folders] } as const

const onFibers = () => ClusterRunner.embedded(LeaseTasks, keeping).pipe(Layer.provide(leaseHandlers))

const inPool = (filename: string) => {
  const spawn: WorkerPool.Options["spawn"] = (options) =>
    new Worker(new URL("./fixtures/lease.worker.ts", import.meta.url), { ...options, argv: [filename] })
  return ClusterRunner.embedded(LeaseTasks, { ...keeping, pool: { spawn, size: 1 } })
}

const cluster = (place: (typeof places)[number], filename: string) =>
  (place === "fibers" ? onFibers() : inPool(filename)).pipe(Layer.provideMerge(storeOf(filename)))

type Services = Layer.Success<ReturnType<typeof cluster>> | Scope.Scope

const run = <A, E>(
  place: (typeof places)[number],
  program: (threads: ClusterThreads.Of<typeof LeaseTasks>) => Effect.Effect<A, E, Services>
): Promise<A> =>
  Effect.runPromise(
    Effect.flatMap(ClusterThreads.make(LeaseTasks), program).pipe(
      Effect.scoped,
      Effect.provide(cluster(place, join(root, `threads-${folderCount++}.db`)))
    )
  )

const when = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(5), when(condition))))

const leaseRows = Effect.flatMap(SqlClient, (sql) => sql<{ readonly id: string }>`SELECT id FROM quiesce_leases`)

describe.each(places)("in bodies of %s", (place) => {
  it("a lease is released with its scope, and leaves no row", async () => {
    const [file, folder] = [nextFolder(), nextFolder()]
    const rows = await run(place, (threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Keep", { file, folder })
        yield* when(() => events(file).includes("kept"))
        expect(existsSync(folder)).toBe(true)
        expect(yield* leaseRows).toHaveLength(1)
        yield* Thread.interrupt(thread)
        expect(existsSync(folder)).toBe(false)
        return yield* leaseRows
      })
    )
    expect(rows).toEqual([])
  })

  it("a kill lets the keeper release the lease of the thread", async () => {
    const [file, folder] = [nextFolder(), nextFolder()]
    await run(place, (threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("KeepOn", { file, folder })
        yield* when(() => events(file).includes("kept"))
        const report = yield* Thread.shutdown(thread, { escalation: { kill: "10 seconds" } })
        expect(report.ending._tag).toBe("Killed")
        yield* when(() => !existsSync(folder))
        yield* Effect.repeat(leaseRows, { until: (rows) => rows.length === 0 })
      })
    )
  })

  it("a failed release is tried again by a runner while the thread goes on", async () => {
    const [file, folder] = [nextFolder(), nextFolder()]
    writeFileSync(`${folder}.deny`, "")
    await run(place, (threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("KeepInside", { file, folder })
        yield* when(() => events(file).length === 2)
        yield* when(() => !existsSync(folder))
        yield* Effect.repeat(leaseRows, { until: (rows) => rows.length === 0 })
        expect((yield* Thread.status(thread))._tag).toBe("Running")
        yield* Thread.interrupt(thread)
      })
    )
    expect(events(file)).toEqual(["kept", "over Failure"])
  })

  it("a killed thread writes no more", async () => {
    const [file, folder] = [nextFolder(), nextFolder()]
    const lines = await run(place, (threads) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient
        yield* sql`CREATE TABLE written (line TEXT)`
        const thread = yield* threads.spawn("WriteTwice", { file, folder })
        yield* when(() => events(file).includes("first Success"))
        // As another runner does that takes this runner for gone. The body runs on, and tries to write.
        yield* sql`UPDATE quiesce_threads SET state = 'killed', token = token + 1`
        mkdirSync(folder)
        yield* when(() => events(file).length > 1)
        const written = yield* sql`SELECT line FROM written`
        yield* Thread.shutdown(thread, { escalation: { kill: "10 seconds" } })
        return written
      })
    )
    expect(lines).toEqual([{ line: "line" }])
    expect(events(file)).toEqual(["first Success", "second Failure true"])
  })
})

it("a lease is refused in a transaction, whose end could take the row of the lease away", async () => {
  const [file, folder] = [nextFolder(), nextFolder()]
  const problem = await run("fibers", (threads) =>
    Effect.flatMap(threads.spawn("KeepInTransaction", { file, folder }), Thread.join)
  )
  expect(problem).toContain("is in a transaction of the cluster's database")
  expect(existsSync(folder)).toBe(false)
})

it("outside a thread of a cluster a lease and a checked write are refused by name", async () => {
  const lease = Effect.runPromise(Effect.scoped(ClusterLease.acquire(Folder, nextFolder())))
  await expect(lease).rejects.toThrow("ClusterLease.acquire was called outside a thread of a cluster")
  await expect(Effect.runPromise(Fence.check(Effect.void))).rejects.toThrow("Fence.check was called outside a thread")
})
