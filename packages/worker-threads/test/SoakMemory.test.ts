import { expect, it } from "vitest"
import * as Memory from "./fixtures/soak-memory.ts"

const count = 10_000
const mega = 2 ** 20

/** A measured run without a leak. The resident memory varies by a megabyte. */
const samplesWith = (leaked: Partial<Record<Memory.Place, number>>): ReadonlyArray<Memory.Sample> =>
  Array.from({ length: count }, (_, index) => index + 1)
    .filter((at) => Memory.isSampled(at, count))
    .map((at, index) => ({
      at,
      resident: 140 * mega + [0, 1.6, -1, 0.4, 2.4, -0.8][index % 6]! * mega + at * (leaked.resident ?? 0),
      host: 27.3 * mega + [0, 40, -30][index % 3]! * 1024 + at * (30 + (leaked.host ?? 0)),
      worker: 25.4 * mega + [0, 20, 70, -10][index % 4]! * 1024 + at * (35 + (leaked.worker ?? 0))
    }))

const findings = (leaked: Partial<Record<Memory.Place, number>>): ReadonlyArray<string> =>
  Memory.findings(count, Memory.memoryOf(samplesWith(leaked)))

it("isSampled asks for a sample at a tenth and for about twenty in the second half", () => {
  const sampled = samplesWith({}).map(({ at }) => at)
  expect(sampled.slice(0, 3)).toEqual([1000, 5000, 5250])
  expect(sampled.length).toBe(22)
  expect([1, 50, 249, 250, 260, 500].filter((at) => Memory.isSampled(at, 500))).toEqual([50, 250, 500])
})

it("findings is empty for a run that keeps no memory", () => {
  expect(findings({})).toEqual([])
})

it("findings contains 2 KB for each unwind, which a limit of a quarter on the whole run misses", () => {
  const leaked = { resident: 2048, host: 2048 }
  const { early, end } = Memory.memoryOf(samplesWith(leaked))
  expect(end).toBeLessThan(1.25 * early)
  expect(findings(leaked)).toEqual([
    "the resident memory grows",
    expect.stringMatching(/^resident grows by 20\d\d bytes an unwind$/),
    expect.stringMatching(/^host grows by 20\d\d bytes an unwind$/)
  ])
})

it("findings contains memory that only one place keeps", () => {
  expect(findings({ resident: 1200 })).toEqual([expect.stringMatching(/^resident grows by/)])
  expect(findings({ worker: 512 })).toEqual([expect.stringMatching(/^worker grows by/)])
})

it("findings ignores the growth of a short run, in which the engine still compiles code", () => {
  const memory = { early: 139 * mega, end: 140 * mega, growth: { resident: -860, host: 1250, worker: 746 } }
  expect(Memory.findings(500, memory)).toEqual([])
  expect(Memory.findings(500, { ...memory, end: 160 * mega })).toEqual(["the resident memory grows"])
})
