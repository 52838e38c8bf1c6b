import { Lease, Thread } from "@quiesce/core"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { makePool, whenSet } from "./support.ts"

/** A thread that holds the given number of leases in a worker. */
const hoarding = (count: number) =>
  Effect.gen(function* () {
    const pool = yield* makePool()
    const cells = makeCells()
    const thread = yield* pool.spawn("Hoard", { cells, count })
    yield* whenSet(cells, Cell.begun)
    return { pool, thread }
  })

/** The shared memory between worker and host has room for the smaller numbers only. */
const counts = [1, 100, 5000]

describe("the host's record of a task's leases", () => {
  it.each(counts)("counts each lease, and its release after an interrupt: %i", (count) =>
    Effect.gen(function* () {
      const { pool, thread } = yield* hoarding(count)
      yield* Thread.interrupt(thread)
      expect(yield* Lease.tally(thread)).toMatchObject({ acquired: count, released: count, lost: 0 })
      expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
    }).pipe(Effect.scoped, Effect.runPromise)
  )

  // A kill also interrupts, so the worker may release the latest leases before its end.
  it.each(counts)("lists the unreleased leases as lost after a kill, the latest first: %i", (count) =>
    Effect.gen(function* () {
      const { thread } = yield* hoarding(count)
      const report = yield* Thread.shutdown(thread, { escalation: { kill: "1 minute" } })
      const { released } = yield* Lease.tally(thread)
      const lost = count - released
      expect(yield* Lease.tally(thread)).toMatchObject({ acquired: count, lost, failed: 0 })
      expect(report.lost.map(({ lease }) => lease)).toEqual(
        Array.from({ length: lost }, (_, n) => `lease ${lost - 1 - n}`)
      )
    }).pipe(Effect.scoped, Effect.runPromise)
  )
})
