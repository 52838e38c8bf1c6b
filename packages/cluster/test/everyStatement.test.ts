/** A runner is killed after each statement of a thread: exhaustive, with a process for each statement. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { ForcedEnd, Thread } from "@quiesce/core"
import { Effect, Exit, Option } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { expect, it } from "vitest"
import { Cluster } from "./fixtures/processes.ts"

it("a thread whose runner is killed after any statement settles, starts once, and leaves no lease", async () => {
  await using cluster = new Cluster()
  const ends: Array<string> = []
  for (let n = 1; ; n++) {
    await cluster.startLeases(2000, { KILL_AFTER: String(n) })
    const folder = join(cluster.folder, `folder-${n}`)
    const { exit, written } = await cluster.runLeases((threads) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient
        yield* sql`CREATE TABLE IF NOT EXISTS written (line TEXT)`
        const thread = yield* threads.spawn("Job", { file: cluster.log, folder })
        const exit = yield* Thread.await(thread)
        const written = yield* sql`SELECT line FROM written WHERE line = ${folder}`
        return { exit, written: written.length }
      })
    )
    const least = Exit.isSuccess(exit) ? 1 : 0
    expect(written === 1 || written === least).toBe(true)
    ends.push(
      Exit.isSuccess(exit)
        ? "value"
        : Option.match(ForcedEnd.fromExit(exit), { onNone: () => "?", onSome: ({ _tag }) => _tag })
    )
    expect(cluster.events.filter((event) => event === `start ${folder}`).length).toBeLessThanOrEqual(1)
    if (!cluster.events.some((event) => event.startsWith(`statement ${n} of ${n}:`))) break
  }
  // The last runner lives, and releases the leases of the others.
  await cluster.runLeases(() =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* Effect.repeat(sql`SELECT id FROM quiesce_leases`, { until: (rows) => rows.length === 0 })
    })
  )
  const left = ends.map((_, n) => join(cluster.folder, `folder-${n + 1}`)).filter((folder) => existsSync(folder))
  expect(left).toEqual([])
  const count = ends.length
  // The outcome is in the store before the last cut, and all cuts before that lose the thread.
  expect(ends).toEqual([...Array.from({ length: count - 2 }, () => "Killed"), "value", "value"])
})
