/** A worker of plain functions blocks between calls. Work that a function has left behind still runs. */
import { Task } from "@quiesce/worker-threads"
import { describe, expect, it } from "vitest"

type Leftovers = typeof import("./fixtures/plain-leftovers.ts")
type Leftover = import("./fixtures/plain-leftovers.ts").Leftover
const url = new URL("./fixtures/plain-leftovers.ts", import.meta.url)

/** The number of calls until the work has run. Each call follows the result of the one before. */
const callsUntilDone = async (pool: Task.TaskPool<Leftovers>, leftover: Leftover): Promise<number> => {
  const before = (await pool.run(leftover))[leftover]
  for (let calls = 1; ; calls++) if ((await pool.run("nothing"))[leftover] > before) return calls
}

describe("a worker of plain functions", () => {
  it("runs the microtasks of a call before the next call", async () => {
    await using pool = Task.createTaskPool<Leftovers>(url, { size: 1 })
    for (let i = 0; i < 20; i++) expect(await callsUntilDone(pool, "microtask")).toBe(1)
  })

  it.each(["immediate", "timer"] as const)("runs a left %s while calls follow one another", async (leftover) => {
    await using pool = Task.createTaskPool<Leftovers>(url, { size: 1 })
    for (let i = 0; i < 20; i++) expect(await callsUntilDone(pool, leftover)).toBeGreaterThan(0)
  })
})
