import { Effect } from "effect"
import { expect, it } from "vitest"
import { soak } from "./fixtures/soak-run.ts"

it("500 tasks of one worker are ended out of every state, and nobody beside them notices", async () => {
  const tally = await Effect.runPromise(soak(500))
  expect(tally).toMatchObject({ unwinds: 500, outsideSections: 10, finalizers: 1000 })
  expect(Object.keys(tally.states).length).toBe(8)
})
