/**
 * Runs random programs on a pool whose workers are puppets: calls with priorities and limits, broadcasts, cancels,
 * crashes, failed starts, native code, resizes, recycled workers, drains and closes, in any order and several in one
 * turn. The expectations come from a model of the queue: see `QueueModel`. A failure prints its seed and its path. Set
 * `SEED` to repeat the run.
 */
import * as fc from "fast-check"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { type Faulty, faults } from "./fixtures/broken-dispatchers.ts"
import type { PoolSize } from "../src/internal/host/poolSize.ts"
import { type Config, PoolStage, type Step } from "./fixtures/pool-stage.ts"

// Time is virtual, and no worker is a thread.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] }))
afterEach(() => void vi.useRealTimers())

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)

const size: fc.Arbitrary<PoolSize> = fc
  .record({ min: fc.nat(2), more: fc.nat(2) })
  .map(({ min, more }) => ({ min, max: Math.max(1, min + more) }))

const config: fc.Arbitrary<Config> = fc
  .record({
    size,
    recycle: fc.record({
      tasks: fc.constantFrom(Infinity, Infinity, 1, 3),
      ageMillis: fc.constantFrom(Infinity, Infinity, 1_000),
      heapBytes: fc.constant(Infinity)
    }),
    concurrency: fc.integer({ min: 1, max: 2 }),
    bound: fc.constantFrom(Infinity, Infinity, 0, 1, 3),
    whenFull: fc.constantFrom("wait", "wait", "fail"),
    idleMillis: fc.constantFrom(20, 10_000)
  })
  .map(({ size, ...rest }) => ({ ...rest, ...size }))

const which = fc.nat(99)

const one = <Tag extends Step["_tag"]>(_tag: Tag) => fc.record({ _tag: fc.constant(_tag), which })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      _tag: fc.constant("Call"),
      priority: fc.integer({ min: -1, max: 2 }),
      millis: fc.constantFrom(Infinity, Infinity, Infinity, 500),
      isDeaf: fc.boolean()
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      _tag: fc.constant("Broadcast"),
      millis: fc.constantFrom(Infinity, Infinity, 500),
      isDeaf: fc.boolean()
    })
  },
  { weight: 8, arbitrary: one("Finish") },
  { weight: 5, arbitrary: one("Announce") },
  { weight: 5, arbitrary: one("Cancel") },
  { weight: 2, arbitrary: one("Crash") },
  { weight: 1, arbitrary: one("Refuse") },
  { weight: 1, arbitrary: one("Native") },
  {
    weight: 1,
    arbitrary: fc.record({ _tag: fc.constant("Starts"), how: fc.constantFrom("work", "work", "throw", "refuse") })
  },
  {
    weight: 4,
    arbitrary: fc.record({ _tag: fc.constant("Pass"), millis: fc.constantFrom(1, 30, 600, 2_500, 40_000) })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Resize"), size }) },
  { weight: 1, arbitrary: fc.constant({ _tag: "CancelQueued" }) },
  {
    weight: 1,
    arbitrary: fc.record({
      _tag: fc.constant("Drain"),
      millis: fc.constantFrom(Infinity, 100, 3_000),
      queued: fc.constantFrom("finish", "drop")
    })
  },
  { weight: 1, arbitrary: fc.constant({ _tag: "Close" }) }
)

/** `isLast`: whether the step is the last one of its turn. */
const program = fc.array(fc.record({ step, isLast: fc.boolean() }), { maxLength: 60, size: "max" })

/** The property of a dispatcher with a fault, or of the dispatcher as it is. */
const holds = (plant?: Faulty) =>
  fc.asyncProperty(config, program, async (config, steps) => {
    vi.clearAllTimers()
    expect(await new PoolStage(config, plant).perform(steps)).toEqual([])
  })

describe(`a pool under random programs (SEED=${seed})`, () => {
  it("loses no task, runs no task twice, lets no task starve, and settles each call", () =>
    fc.assert(holds(), { numRuns: 1000, seed }))

  for (const [name, plant] of Object.entries(faults)) {
    it(`finds ${name}`, async () => {
      const { failed, numRuns } = await fc.check(holds(plant), { numRuns: 500, seed, endOnFailure: true })
      console.info(`${name}: program ${numRuns}`)
      expect(failed).toBe(true)
    })
  }
})
