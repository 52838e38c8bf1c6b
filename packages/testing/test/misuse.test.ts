import { ThreadError } from "@quiesce/core"
import * as Testing from "@quiesce/testing"
import { FakeAdapter, Journal, TestingError } from "@quiesce/testing"
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

/** `TestingError` has the type of a left-over, so a left-over refuses by an error of the platform. */
const isHelpful = (error: unknown, name: string): boolean =>
  error instanceof TestingError.TestingError ||
  ThreadError.isThreadError(error) ||
  (error instanceof TypeError && error.message.startsWith(`${name} got `))

/** A Schema, and a constructor whose argument is checked by a Schema. */
const others = ["LeftOver.LeftOver", "TestingError.make"]

it("each function works with a wrong argument, or is refused by an error of this package", async () => {
  for (const name of others) expect(functions.delete(name)).toBe(true)
  expect(await unhelpful(functions, rows, isHelpful)).toEqual([])
})
