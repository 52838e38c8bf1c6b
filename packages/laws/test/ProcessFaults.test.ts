/** The laws on processes: checks find faults of the host and of the process, and shrink the program. */
import type { Name } from "@quiesce/testing/laws/Law"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import * as ProcessAdapter from "../src/ProcessAdapter.ts"

/** Says of each thread that it was abandoned. */
const abandoned: Subject["shutdown"] = (thread, escalation, reason) =>
  Effect.map(core.shutdown(thread, escalation, reason), (report) =>
    Object.assign({}, report, { ending: { _tag: "Abandoned" } })
  )

const faults: ReadonlyArray<readonly [Name, string, ProcessAdapter.Faults]> = [
  ["mask-pends", "wakes under masks", { fault: "wakes under masks" }],
  ["interrupt-awaits", "returns from an interrupt too early", { subject: { interrupt: core.interruptFork } }],
  ["kill-is-visible", "calls each end an abandon", { subject: { shutdown: abandoned } }]
]

describe.skipIf(process.platform === "win32")("the check of", () => {
  it.each(faults)("%s finds a process whose thread %s", async (law, _, faults) => {
    const { counterexample } = await Search.run(law, ProcessAdapter.make(faults), {
      programs: 40,
      whole: 0,
      cuts: 3,
      seed: 3
    })

    expect(counterexample).toBeDefined()
    expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
  })
})
