/** The cost of cancelling calls that wait, in steps of code instead of time. */
import { afterAll, expect, it } from "vitest"
import * as Steps from "./fixtures/steps.ts"

const steps = await Steps.start("/packages/")
afterAll(() => steps.stop())

// The modules are imported after the count has started.
const { bySignal, fromTheBack, make, searching } = await import("./fixtures/waiting-calls.ts")

/** The steps for each of `count` calls. */
const stepsForEach = async (calls: typeof fromTheBack, count: number, pool = make()): Promise<number> => {
  const cancel = calls(pool, count)
  expect(pool.queued).toBe(count)
  const all = await steps.of(cancel)
  expect(pool.queued).toBe(0)
  return all / count
}

for (const [how, calls] of Object.entries({ "one by one from the back": fromTheBack, "by one signal": bySignal })) {
  it(`cancelling calls that wait ${how} takes as many steps for each of 100,000 as of 1,000`, async () => {
    const few = await stepsForEach(calls, 1_000)
    const many = await stepsForEach(calls, 100_000)
    // V8 misses some calls of inlined functions. A search in the queue would take hundreds of times as many steps.
    expect(many).toBeLessThan(1.5 * few)
  })
}

it("the count of steps shows a search in the queue", async () => {
  const few = await stepsForEach(fromTheBack, 100, make(searching))
  const many = await stepsForEach(fromTheBack, 1_000, make(searching))
  expect(many).toBeGreaterThan(1.5 * few)
})
