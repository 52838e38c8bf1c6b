/** Plain functions in a process that has not loaded Effect. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { values } from "./fixtures/byte-values.ts"

const main = fileURLToPath(new URL("./fixtures/light-main.ts", import.meta.url))

/** The result of a scenario, and whether the process has loaded Effect for it. The process ends by itself. */
const run = async (scenario: string): Promise<{ readonly result: unknown; readonly needed: boolean }> => {
  const { stdout } = await promisify(execFile)(process.execPath, [main, scenario])
  return JSON.parse(stdout)
}

const zero = { finished: 0, cut: 0, neverStarted: 0 }
const enough = { name: "Error", message: "enough" }

describe("without Effect", () => {
  it.each([
    [
      "calls",
      {
        sum: 5050,
        sizes: [100_000, 0],
        watched: 2,
        thrown: { name: "RangeError", message: "too far", code: "E_FAR" },
        shared: 3,
        status: { workers: 1, retiring: 0, missing: 0, running: 0, queued: 0, min: 1, max: 1 }
      }
    ],
    ["null in place of options", 2],
    ["many bytes", Object.keys(values).length],
    ["a moved result", { sizes: [100_000, 100_000, 8], left: 0 }],
    ["drained", { reports: [zero, zero], workers: 0 }],
    ["an abort in the queue", { counts: [1, 1, 0], error: enough, running: "released" }]
  ])("%s", async (scenario, result) => {
    expect(await run(scenario)).toEqual({ result, needed: false })
  })
})

describe("Effect is loaded for", () => {
  it.each([
    ["an abort while the pool opens", { counts: [0, 0], error: enough, running: "released" }],
    ["an abort of a wait", enough],
    ["an abort of a loop with a token", enough],
    ["an abort of a loop", { error: enough, next: 2, hasStacks: true }],
    ["a lost worker", { error: expect.objectContaining({ tag: "WorkerExited" }), next: 2 }],
    ["an input that can't be cloned", expect.objectContaining({ tag: "NotSendable" })],
    ["a result that can't be cloned", expect.objectContaining({ tag: "ResultNotSendable" })],
    ["a bad module", { name: "WorkerError", tag: "BadTaskModule" }],
    [
      "an option",
      { values: ["released", 2, "whole", 3], order: ["running", "queued", "report", "last"], progress: ["half"] }
    ],
    [
      "a drain beside a running call",
      { value: "released", report: { finished: 1, cut: 0, neverStarted: 0 }, tag: "PoolClosed" }
    ],
    ["a close beside a loop", { name: expect.any(String), workers: 0 }],
    ["a call after the close", "PoolClosed"],
    ["an observer", { threads: ["light-function.ts"], value: "released" }]
  ])("%s", async (scenario, result) => {
    expect(await run(scenario)).toEqual({ result, needed: true })
  })
})
