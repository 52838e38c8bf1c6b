/** The store is away for two expiries of all locks and rows, while two runner processes have threads. */
import { DatabaseSync } from "node:sqlite"
import { CancelReason, ForcedEnd, Lease, Thread } from "@quiesce/core"
import { Effect, type Exit, Option } from "effect"
import { expect, it } from "vitest"
import { Cluster } from "./fixtures/processes.ts"

const expiryMillis = 3000

/** Another process holds the lock of the file, or the PostgreSQL server and all its processes are frozen. */
const away = (cluster: Cluster): (() => void) => {
  const group = process.env["QUIESCE_POSTGRES_GROUP"]
  if (group !== undefined) {
    process.kill(-Number(group), "SIGSTOP")
    return () => process.kill(-Number(group), "SIGCONT")
  }
  const other = new DatabaseSync(cluster.filename, { timeout: 5000 })
  other.exec("BEGIN IMMEDIATE")
  return () => {
    other.exec("ROLLBACK")
    other.close()
  }
}

/** The end of a thread in a word: killed, or the reason of its interrupt. */
const endOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Option.isSome(ForcedEnd.fromExit(exit))
    ? "killed"
    : Option.match(CancelReason.fromExit(exit), { onNone: () => exit._tag, onSome: ({ _tag }) => _tag })

it("each thread starts once, ends with a reason and releases its lease, and new threads run when the store is back", async () => {
  await using cluster = new Cluster()
  const runners = [await cluster.start(expiryMillis, { FAST: "1" }), await cluster.start(expiryMillis, { FAST: "1" })]
  const names = Array.from({ length: 10 }, (_, n) => `before-${n}`)
  const ends = await cluster.run((threads) =>
    Effect.gen(function* () {
      const hold = (name: string) => threads.spawn("Hold", { file: cluster.log, name, releaseMillis: 20 })
      const held = yield* Effect.forEach(names, hold)
      yield* Effect.forEach(names, (name) => cluster.whenLogged(`acquire ${name}`))
      const back = away(cluster)
      const late = yield* hold("meanwhile")
      yield* Thread.interruptFork(held[0]!, { reason: CancelReason.interrupted({ message: "enough" }) })
      yield* Effect.sleep(2 * expiryMillis)
      back()
      yield* cluster.whenLogged("acquire meanwhile")
      expect(yield* Effect.flatMap(threads.spawn("Add", { a: 1, b: 2 }), Thread.join)).toBe(3)
      yield* Thread.interruptAll([...held, late])
      for (const thread of [...held, late])
        expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 1, released: 1, lost: 0 })
      return yield* Effect.forEach([...held, late], (thread) => Effect.map(Thread.await(thread), endOf))
    })
  )
  // The engine releases a shard whose lock it could not renew.
  expect(ends.filter((end) => !["Interrupted", "Moved"].includes(end))).toEqual([])
  for (const name of [...names, "meanwhile"]) {
    const own = cluster.events.filter((event) => event.endsWith(` ${name}`))
    expect(own).toEqual([`start ${name}`, `acquire ${name}`, `release ${name}`])
  }
  for (const { process } of runners) expect(process.exitCode).toBeNull()
})
