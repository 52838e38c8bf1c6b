/** Leases that outlive their thread, and checked writes. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { ClusterLease, ClusterRunner, ClusterThreads, Fence } from "@quiesce/cluster"
import { CancelReason, ForcedEnd, Lease, Thread } from "@quiesce/core"
import type { WorkerPool } from "@quiesce/worker-threads"
import { Effect, Exit, Layer, Option, Schedule, type Scope } from "effect"
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
  program: (threads: ClusterThreads.Of<typeof LeaseTasks>) => Effect.Effect<A, E, Services>,
  options?: ClusterThreads.Options
): Promise<A> =>
  Effect.runPromise(
    Effect.flatMap(ClusterThreads.make(LeaseTasks, options), program).pipe(
      Effect.scoped,
      Effect.provide(cluster(place, join(root, `threads-${folderCount++}.db`)))
    )
  )

const when = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(5), when(condition))))

/** Ends all threads, as another runner does that declares this runner lost. */
const loseRunner = Effect.gen(function* () {
  const sql = yield* SqlClient
  const reason = JSON.stringify(CancelReason.lost("host-1:4000"))
  yield* sql`UPDATE quiesce_threads SET state = 'killed', token = token + 1, reason = ${reason}`
})

const leaseRows = Effect.flatMap(SqlClient, (sql) => sql<{ readonly id: string }>`SELECT id FROM quiesce_leases`)

/** The number of attempts of a runner to release the remaining lease. */
const releases = Effect.map(
  Effect.flatMap(SqlClient, (sql) => sql<{ readonly attempts: number }>`SELECT attempts FROM quiesce_leases`),
  ([row]) => row?.attempts ?? 0
)

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

  it("a thread that starts again acquires after the release of its former lease, also if that release fails at first", async () => {
    const [file, folder] = [nextFolder(), nextFolder()]
    await run(place, (threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Keep", { file, folder }, { onLoss: "rerun" })
        yield* when(() => events(file).includes("kept"))
        writeFileSync(`${folder}.deny`, "")
        yield* loseRunner
        // The keeper makes a new folder, and fails if the former folder still exists.
        yield* when(() => events(file).length > 1)
        expect(events(file)).toEqual(["kept", "kept"])
        expect(yield* leaseRows).toHaveLength(1)
        expect(existsSync(folder)).toBe(true)
        yield* Thread.interrupt(thread)
        expect(existsSync(folder)).toBe(false)
      })
    )
  })

  it("a thread does not start again if its former lease is not released in time, and its error names the lease", async () => {
    const [file, folder] = [nextFolder(), nextFolder()]
    const exit = await run(
      place,
      (threads) =>
        Effect.gen(function* () {
          const thread = yield* threads.spawn("Keep", { file, folder }, { onLoss: "rerun" })
          yield* when(() => events(file).includes("kept"))
          writeFileSync(`${folder}.stuck`, "")
          yield* loseRunner
          return yield* Thread.await(thread)
        }),
      { startWithin: "5 seconds" }
    )
    expect(exit).toMatchObject(
      Exit.fail({ reason: { _tag: "NotReleased", task: "Keep", leases: ["Folder"], millis: 5000 } })
    )
    expect(events(file)).toEqual(["kept"])
  })

  it("a thread that waits for its former lease is cancelled at once, and does not start again", async () => {
    const [file, folder] = [nextFolder(), nextFolder()]
    const exit = await run(place, (threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Keep", { file, folder }, { onLoss: "rerun" })
        yield* when(() => events(file).includes("kept"))
        writeFileSync(`${folder}.stuck`, "")
        yield* loseRunner
        // The client has noticed the loss long before the second release.
        yield* Effect.repeat(releases, { until: (count) => count >= 2, schedule: Schedule.spaced(20) })
        yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "enough" }) })
        return yield* Thread.await(thread)
      })
    )
    expect(exit).toMatchObject({ _tag: "Failure", cause: { reasons: [{ _tag: "Interrupt" }] } })
    expect(events(file)).toEqual(["kept"])
  })

  it("a failed release is repeated by a runner while the thread continues", async () => {
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

  it("the report of a kill names a lease that the runner has entered and not reported", async () => {
    const [file, folder] = [nextFolder(), nextFolder()]
    const { end, tally } = await run(place, (threads) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient
        const thread = yield* threads.spawn("Keep", { file, folder })
        yield* when(() => events(file).includes("kept"))
        yield* Effect.repeat(Lease.tally(thread), { until: ({ acquired }) => acquired === 1 })
        // A runner that dies right after the statement leaves this row. No keeper has this name, so that no runner
        // removes the row.
        yield* sql`INSERT INTO quiesce_leases (id, thread, token, name, payload, reaper_until, attempts)
          SELECT 'unreported', id, token, 'Room', '""', 0, 0 FROM quiesce_threads`
        yield* Thread.shutdown(thread, { escalation: { kill: "10 seconds" } })
        return { end: ForcedEnd.fromExit(yield* Thread.await(thread)), tally: yield* Lease.tally(thread) }
      })
    )
    // The runner may release its own lease during the scan of the rows, which takes longer on PostgreSQL.
    const isReleased = tally.released === 1
    expect(Option.map(end, ({ lost }) => lost)).toEqual(Option.some(isReleased ? ["Room"] : ["Room", "Folder"]))
    expect(tally).toMatchObject({ acquired: 2, lost: isReleased ? 1 : 2 })
  })

  it("a killed thread writes no more", async () => {
    const [file, folder] = [nextFolder(), nextFolder()]
    const lines = await run(place, (threads) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient
        yield* sql`CREATE TABLE written (line TEXT)`
        const thread = yield* threads.spawn("WriteTwice", { file, folder })
        yield* when(() => events(file).includes("first Success"))
        // Another runner does this when it declares this runner lost. The body continues, and tries to write.
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

it("a lease is refused in a transaction, whose end could remove the row of the lease", async () => {
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
