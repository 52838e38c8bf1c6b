/** The model predicts the observations of a program. Fibers match the predictions, and each planted fault is found. */
import * as Adapter from "@quiesce/testing/laws/Adapter"
import * as Laws from "@quiesce/testing/laws/Laws"
import * as Model from "@quiesce/testing/laws/Model"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { faults } from "./fixtures/faults.ts"

Laws.suite(Adapter.fibers, { only: ["model"] })

const lease = { _tag: "Acquire", millis: 0, fails: false, interruptible: false, within: null } as const
const held: Program.Instruction = { ...lease, release: { _tag: "Ok" } }
const sleep: Program.Instruction = { _tag: "Sleep", millis: 5 }

const expected: ReadonlyArray<readonly [string, Program.Program, string]> = [
  ["nothing", [], "the body succeeded at 0; the thread succeeded at 0"],
  ["a sleep", [sleep], "the body succeeded at 5; the thread succeeded at 5"],
  ["a failure", [{ _tag: "Fail" }, sleep], "the body failed at 0; the thread failed at 0"],
  [
    "a lease",
    [held],
    "acquired 0 at 0; the body succeeded at 0; releasing 0 at 0; released 0, ok at 0; the thread succeeded at 0"
  ],
  [
    "an acquire that takes its time and fails",
    [{ ...held, millis: 2, fails: true }, sleep],
    "failed to acquire 0 at 2; the body failed at 2; the thread failed at 2"
  ],
  [
    "two leases of a scope, the last one first",
    [{ _tag: "Scoped", body: [held, held] }],
    "acquired 0 at 0; acquired 1 at 0; releasing 1 at 0; released 1, ok at 0; releasing 0 at 0; released 0, ok at 0; scope closed at 0; the body succeeded at 0; the thread succeeded at 0"
  ],
  [
    "a release that fails",
    [{ ...lease, release: { _tag: "Fail" } }],
    "acquired 0 at 0; the body succeeded at 0; releasing 0 at 0; released 0, failed at 0; the thread failed at 0"
  ],
  [
    "a release that takes its time",
    [{ ...lease, release: { _tag: "Slow", millis: 2 } }],
    "acquired 0 at 0; the body succeeded at 0; releasing 0 at 0; released 0, ok at 2; the thread succeeded at 2"
  ],
  [
    "a release that hangs, and is cut",
    [{ ...lease, within: 7, release: { _tag: "Hang" } }],
    "acquired 0 at 0; the body succeeded at 0; releasing 0, to be cut at 0; the thread failed at 7"
  ],
  [
    "a failure that is caught",
    [{ _tag: "Attempt", body: [{ _tag: "Fail" }] }, sleep],
    "the body succeeded at 5; the thread succeeded at 5"
  ],
  [
    "a finalizer, after a failure",
    [{ _tag: "Finally", body: [{ _tag: "Fail" }], cleanup: [sleep, { _tag: "Checkpoint" }] }],
    "passed at 5; the body failed at 5; the thread failed at 5"
  ],
  [
    "a synchronous section",
    [{ _tag: "Spin", how: "plain" }],
    "spinning at 0; spun at 0; the body succeeded at 0; the thread succeeded at 0"
  ]
]

const cancelled: ReadonlyArray<readonly [string, Program.Program, number, string]> = [
  ["a sleep", [sleep], 2, "the body failed at 2; the thread failed at 2"],
  ["a mask", [{ _tag: "Mask", body: [sleep] }, sleep], 2, "the body failed at 5; the thread failed at 5"],
  [
    "the inside of a mask that is opened again",
    [{ _tag: "Mask", body: [{ _tag: "Restore", body: [sleep] }, sleep] }],
    2,
    "the body failed at 2; the thread failed at 2"
  ],
  [
    "a finalizer, which goes on",
    [{ _tag: "Finally", body: [], cleanup: [sleep, { _tag: "Checkpoint" }] }],
    2,
    "passed at 5; the body failed at 5; the thread failed at 5"
  ],
  [
    "a thread with a lease",
    [held, sleep],
    2,
    "acquired 0 at 0; the body failed at 2; releasing 0 at 2; released 0, ok at 2; the thread failed at 2"
  ]
]

describe("Model.allowed", () => {
  it.each(expected)("predicts the observations of %s", (_, program, text) => {
    expect(Model.allowed(program)).toEqual([text])
  })

  it.each(cancelled)("predicts the observations if a cancel falls into %s", (_, program, at, text) => {
    expect(Model.allowed(program, { at })).toEqual([text])
  })
})

describe("Model.compare", () => {
  it("is undecided for a program with more than one thread", () => {
    const program: Program.Program = [{ _tag: "Fork", body: [], immediately: false, outer: false, escalation: null }]
    const outcome = Adapter.fibers.run({ program, plan: [], seed: null, bystanders: false }, null)
    expect(Model.compare(outcome as Awaited<typeof outcome>)).toEqual({ _tag: "Undecided", why: "Fork" })
  })

  it("accepts a delayed interrupt that comes too late for a thread that ends in the same millisecond, and no later", async () => {
    const lost = Adapter.fromSubject("lost interrupts", { interrupt: () => Effect.void })
    const tags = (program: Program.Program, isDelayed: boolean): Promise<ReadonlyArray<string>> =>
      Promise.all(
        Array.from({ length: 40 }, async (_, cut) => {
          const action = { _tag: "Interrupt", wait: true } as const
          const plan = [{ action, target: 0, after: 0 }]
          return Model.compare(await lost.run({ program, plan, seed: null, bystanders: false }, cut), isDelayed)._tag
        })
      )
    expect(await tags([], false)).toContain("Unlike")
    expect(await tags([], true)).not.toContain("Unlike")
    expect(await tags([sleep], true)).toContain("Unlike")
  })

  it.each([
    "release-once",
    "no-acquire-no-release",
    "acquire-atomic",
    "lifo",
    "bounded-cleanup",
    "mask-pends"
  ] as const)("finds a fault that breaks %s without the law", async (law) => {
    const adapter = Adapter.fromSubject(`a fault of ${law}`, faults[law])
    const { counterexample } = await Search.model(adapter, { programs: 1000, whole: 0, cuts: 40, seed: 1 })
    expect(counterexample).toBeDefined()
    expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
  })

  it("is undecided for less than a tenth of the cuts", async () => {
    const { cuts, undecided } = await Search.model(Adapter.fibers, { programs: 300, whole: 0, cuts: 10, seed: 2 })
    expect(undecided! / cuts).toBeLessThan(0.1)
  })
})
