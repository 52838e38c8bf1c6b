import { Effect } from "effect"
import { expect, it } from "vitest"
import { plainSoak } from "./fixtures/plain-soak-run.ts"
import { soak } from "./fixtures/soak-run.ts"

it("500 tasks of one worker are ended out of every state, and no other task misses a beat", async () => {
  const tally = await Effect.runPromise(soak(500))
  expect(tally).toMatchObject({ unwinds: 500, outsideSections: 10, finalizers: 1000 })
  expect(Object.keys(tally.states).length).toBe(8)
})

it("500 calls of plain functions in one worker are ended by force, and no other call misses a beat", async () => {
  const tally = await plainSoak(500)
  expect(tally).toMatchObject({ unwinds: 500, locked: 50 })
  expect(Object.keys(tally.states).length).toBe(8)
})
