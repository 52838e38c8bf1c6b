/** A runner is killed after each statement of a thread, with a process for each statement. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { CancelReason, ForcedEnd, Thread } from "@quiesce/core"
import { Effect, Exit, Option } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { expect, it } from "vitest"
import { Cluster } from "./fixtures/processes.ts"

const folderOf = (cluster: Cluster, n: number): string => join(cluster.folder, `folder-${n}`)

/** Runs a thread to its end. `hasLease`: the thread has left a folder or the row of a lease. */
const runJob = (cluster: Cluster, folder: string) =>
  cluster.runLeases((threads) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* sql`CREATE TABLE IF NOT EXISTS written (line TEXT)`
      const thread = yield* threads.spawn("Job", { file: cluster.log, folder })
      const exit = yield* Thread.await(thread)
      const hasFolder = existsSync(folder)
      const rows = yield* sql`SELECT id FROM quiesce_leases WHERE payload = ${JSON.stringify(folder)}`
      const written = yield* sql`SELECT line FROM written WHERE line = ${folder}`
      return { exit, hasLease: hasFolder || rows.length > 0, written: written.length }
    })
  )

const starts = (cluster: Cluster): ReadonlyArray<string> => cluster.events.filter((event) => event.startsWith("start "))

it("a thread whose runner is killed after any statement settles, starts once, and leaves no lease", async () => {
  await using cluster = new Cluster()
  const ends: Array<string> = []
  const reports: Array<string> = []
  for (let n = 1; ; n++) {
    await cluster.startLeases(2000, { KILL_AFTER: String(n) })
    const folder = folderOf(cluster, n)
    const { exit, hasLease, written } = await runJob(cluster, folder)
    const least = Exit.isSuccess(exit) ? 1 : 0
    expect(written === 1 || written === least).toBe(true)
    const end = Option.getOrUndefined(ForcedEnd.fromExit(exit))
    ends.push(Exit.isSuccess(exit) ? "value" : (end?._tag ?? "?"))
    const statements = cluster.events.filter((event) => event.includes(` of ${n}: `))
    if (end?._tag === "Killed") {
      // No live runner could release the lease, so a present row was also present when the report was made.
      const isEntered = statements.some((event) => event.endsWith(": INSERT INTO quiesce_leases"))
      const state = hasLease ? "left" : isEntered ? "released" : "never entered"
      // A client can't see a release if its runner was killed before the report.
      reports.push(state === "released" ? state : `${state}: ${end.lost.join()}`)
    }
    expect(starts(cluster).filter((event) => event === `start ${folder}`).length).toBeLessThanOrEqual(1)
    if (statements.length < n) break
  }
  // The last runner lives, and releases the leases of the dead runners.
  await cluster.runLeases(() =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* Effect.repeat(sql`SELECT id FROM quiesce_leases`, { until: (rows) => rows.length === 0 })
    })
  )
  const left = ends.map((_, n) => folderOf(cluster, n + 1)).filter((folder) => existsSync(folder))
  expect(left).toEqual([])
  // No later runner has started a lost thread again.
  expect(starts(cluster)).toEqual(Array.from(new Set(starts(cluster))))
  const count = ends.length
  // The outcome is in the store before the last cut, and each earlier cut loses the thread.
  expect(ends).toEqual([...Array.from({ length: count - 2 }, () => "Killed"), "value", "value"])
  expect(Array.from(new Set(reports))).toEqual(["never entered: ", "left: Folder", "released"])
})

/** Waits until the log of the cluster has the n-th statement, after which its runner gets a signal. */
const whenCut = (cluster: Cluster, n: number): Effect.Effect<void> =>
  Effect.suspend(() =>
    cluster.events.some((event) => event.startsWith(`statement ${n} of ${n}:`))
      ? Effect.void
      : Effect.andThen(Effect.sleep(5), whenCut(cluster, n))
  )

it.for([
  [1, "the claim of the thread"],
  [2, "the first statement of the body"]
] as const)(
  "a thread whose only runner is killed after statement %i, %s, is killed before the row of the runner expires",
  async ([n]) => {
    await using cluster = new Cluster()
    await cluster.startLeases(35_000, { KILL_AFTER: String(n) })
    const { exit, left } = await cluster.runLeases((threads) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient
        const thread = yield* threads.spawn("Job", { file: cluster.log, folder: folderOf(cluster, n) })
        yield* whenCut(cluster, n)
        const [row] = yield* sql<{ readonly until: number }>`SELECT until FROM quiesce_members WHERE kind = 'runner'`
        const exit = yield* Thread.await(thread)
        // By the store's clock.
        const [left] = yield* sql<{ readonly millis: number }>`SELECT
          ${row?.until ?? 0} - CAST(unixepoch('subsec') * 1000 AS INTEGER) AS millis`
        return { exit, left: left?.millis ?? 0 }
      })
    )
    const end = Option.getOrUndefined(ForcedEnd.fromExit(exit))
    expect(end).toMatchObject({ _tag: "Killed", lost: n === 1 ? [] : ["Folder"] })
    expect(Option.map(CancelReason.fromExit(exit), ({ _tag }) => _tag)).toEqual(Option.some("Lost"))
    expect(left).toBeGreaterThan(0)
  }
)

it("a thread whose only runner is killed after the claim is killed when the runner starts again on the same port", async () => {
  await using cluster = new Cluster()
  const first = await cluster.startLeases(35_000, { KILL_AFTER: "1" })
  const folder = folderOf(cluster, 1)
  const { exit, runner, states, value } = await cluster.runLeases((threads) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* sql`CREATE TABLE IF NOT EXISTS written (line TEXT)`
      const thread = yield* threads.spawn("Job", { file: cluster.log, folder })
      yield* Effect.promise(() => first.exit)
      const restarted = yield* Effect.promise(() => cluster.startLeases(35_000, {}, first.port))
      const states = yield* sql`SELECT state FROM quiesce_threads`
      const exit = yield* Thread.await(thread)
      const again = yield* threads.spawn("Job", { file: cluster.log, folder: folderOf(cluster, 2) })
      return { states, exit, value: yield* Thread.join(again), runner: `localhost:${restarted.port}` }
    })
  )
  expect(states).toEqual([{ state: "killed" }])
  expect(Option.getOrUndefined(CancelReason.fromExit(exit))).toMatchObject({ _tag: "Lost", from: runner })
  expect(value).toBe(folderOf(cluster, 2))
  expect(starts(cluster)).toEqual([`start ${value}`])
})

/** Waits until the client has renewed its row the given number of times. */
const whenRenewed = (times: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    const until = Effect.map(
      sql<{ readonly until: number }>`SELECT until FROM quiesce_members WHERE kind = 'caller'`,
      ([row]) => row?.until
    )
    for (let seen = 0; seen < times; seen++) {
      const last = yield* until
      yield* Effect.repeat(Effect.andThen(Effect.sleep(5), until), { until: (next) => next !== last })
    }
  })

it("a thread whose only runner is frozen after the claim is not killed, although the runner does not renew its row", async () => {
  await using cluster = new Cluster()
  const runner = await cluster.startLeases(35_000, { FREEZE_AFTER: "1" })
  const folder = folderOf(cluster, 1)
  const value = await cluster.runLeases((threads) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* sql`CREATE TABLE IF NOT EXISTS written (line TEXT)`
      const thread = yield* threads.spawn("Job", { file: cluster.log, folder })
      yield* whenCut(cluster, 1)
      // A killed runner is declared dead after about five renewals.
      yield* whenRenewed(10)
      runner.process.kill("SIGCONT")
      return yield* Thread.join(thread)
    })
  )
  expect(value).toBe(folder)
  expect(starts(cluster)).toEqual([`start ${folder}`])
})
