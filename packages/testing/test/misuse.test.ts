import { ThreadError } from "@quiesce/core"
import * as Testing from "@quiesce/testing"
import {
  FakeAdapter,
  Interleaving,
  Interruption,
  Journal,
  Leaks,
  Simulation,
  StepScheduler,
  TestingError,
  VirtualClock
} from "@quiesce/testing"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { functionsOf, type Table, unhelpful } from "../../core/test/fixtures/hostile.ts"

const functions = new Map(Object.entries(Testing).flatMap(([name, module]) => [...functionsOf(name, module)]))

const program = Effect.void
const controls = { onStop: FakeAdapter.ignores }

const rows: Table = {
  "FakeAdapter.endsAfter": ["1 second"],
  "FakeAdapter.refuses": ["why"],
  "FakeAdapter.spawn": [controls],
  "FaultyWorker.makeUnsafe": ["never-ready", {}],
  "FaultyWorker.spawn": ["never-ready", {}],
  "FaultyWorker.url": ["never-ready"],
  "Interleaving.check": [program, {}],
  "Interleaving.explore": [program, {}],
  "Interruption.check": [program, {}],
  "Interruption.explore": [program, {}],
  "Interruption.render": [{}],
  "Journal.acquired": ["lease"],
  "Journal.make": [],
  "Journal.problems": [Journal.make()],
  "Journal.released": ["lease"],
  "Journal.render": [Journal.make(), 0],
  "Journal.resource": ["lease", {}],
  "Leaks.none": [program],
  "Leaks.watch": [{}],
  "Leaks.watchListeners": [],
  "LeftOver.render": [{ kind: "timer" }],
  "Simulation.run": [program, {}],
  "Simulation.runAsync": [program, {}],
  "StepScheduler.make": [{}],
  "VirtualClock.make": [{ now: 0 }]
}

/** `TestingError` has the type of a leftover, so an invalid leftover is refused with an error of the platform. */
const isHelpful = (error: unknown, name: string): boolean =>
  error instanceof TestingError.TestingError ||
  ThreadError.isThreadError(error) ||
  (error instanceof TypeError && error.message.startsWith(`${name} got `))

/** A Schema, and a constructor whose argument is checked by a Schema. */
const others = ["LeftOver.LeftOver", "TestingError.make"]

it("each function accepts a wrong argument, or refuses it with an error of this package", async () => {
  for (const name of others) expect(functions.delete(name)).toBe(true)
  expect(await unhelpful(functions, rows, isHelpful)).toEqual([])
})

/** A wrong option, which a user without types could pass. */
const wrong = (options: object): never => options as never

const refusalOf = (effect: Effect.Effect<unknown, TestingError.TestingError>) =>
  Effect.runPromise(Effect.map(Effect.flip(effect), ({ reason }) => ("option" in reason ? reason.option : reason._tag)))

const nap = Effect.sleep(5)

it.each<[string, object]>([
  ["only", { only: { step: 1 } }],
  ["only", { only: [null] }],
  ["only", { only: [1] }],
  ["only", { only: [{ step: "1" }] }],
  ["only", { only: [{ step: Number.NaN }] }],
  ["only", { only: [{ step: 1, second: "x" }] }],
  ["only", { only: [{ step: 1, second: -3 }] }],
  ["seed", { seed: "abc" }],
  ["seed", { seed: Number.NaN }],
  ["live", { live: "yes" }]
])("Interruption refuses as InvalidOption %s of %o", async (option, options) => {
  expect(await refusalOf(Interruption.explore(nap, wrong(options)))).toBe(option)
})

it.each<[object]>([[{ seeds: "5" }], [{ seeds: { length: 1 } }], [{ seeds: null }], [{ seeds: [undefined] }]])(
  "Interleaving refuses as InvalidOption %o",
  async (options) => {
    expect(await refusalOf(Interleaving.explore(nap, wrong(options)))).toBe("seeds")
  }
)

const spawnFake = (script: FakeAdapter.Script<void, never>) => Effect.scoped(FakeAdapter.spawn(script))

it("each function refuses NaN as a time", async () => {
  const refusals: ReadonlyArray<Effect.Effect<unknown, TestingError.TestingError>> = [
    Leaks.none(nap, { within: Number.NaN }),
    Interruption.explore(nap, { live: true, within: Number.NaN }),
    Interruption.explore(nap, { live: true, stopAfter: Number.NaN }),
    spawnFake({ onStop: FakeAdapter.endsAfter(Number.NaN) }),
    spawnFake({ leases: [{ name: "file", takes: Number.NaN }] })
  ]
  expect(await Promise.all(refusals.map(refusalOf))).toEqual([
    "within",
    "within",
    "stopAfter",
    "onStop",
    'lease "file"'
  ])
})

it("Leaks refuses an ignore option that is no function with InvalidOption", async () => {
  const options: Leaks.Options = wrong({ ignore: true })
  using watch = Leaks.watch(options)

  expect(await refusalOf(Leaks.none(nap, options))).toBe("ignore")
  await expect(watch.leftOvers()).rejects.toMatchObject({ reason: { _tag: "InvalidOption", option: "ignore" } })
})

it.each<[string, object]>([
  ["onStop", { onStop: "ignores" }],
  ["onStop", { onStop: null }],
  ["onStop", { onStop: FakeAdapter.lacks }],
  ["onKill", { onKill: FakeAdapter.refuses("no") }],
  ["leases", { leases: ["file"] }],
  ["leases", { leases: "file" }],
  ["leases", { leases: null }]
])("FakeAdapter.spawn refuses as InvalidOption %s of %o", async (option, script) => {
  expect(await refusalOf(Effect.scoped(FakeAdapter.spawn<never, never>(wrong(script))))).toBe(option)
})

it.each<[object]>([
  [{ cuts: 5 }],
  [{ cuts: [null] }],
  [{ cuts: [{ step: 1, action: 5 }] }],
  [{ budget: Number.NaN }],
  [{ budget: 0 }],
  [{ seed: "abc" }]
])("Simulation and StepScheduler refuse %o", (options) => {
  expect(() => Simulation.run(() => nap, wrong(options))).toThrow(/^Simulation\.run got /)
  expect(() => StepScheduler.make(wrong(options))).toThrow(/^StepScheduler\.make got /)
})

it("VirtualClock refuses a time that is no number, and a time in the past", () => {
  const clock = VirtualClock.make()
  clock.pass(5)
  for (const millis of [-5, Number.NaN, Infinity]) {
    expect(() => clock.pass(millis)).toThrow(/^VirtualClock\.pass got /)
  }
  for (const millis of [Number.NaN, Infinity]) {
    expect(() => clock.after(millis, () => {})).toThrow(/^VirtualClock\.after got /)
  }
  expect([clock.advance(), clock.pending, clock.currentTimeMillisUnsafe()]).toEqual([false, 0, 5])
})
