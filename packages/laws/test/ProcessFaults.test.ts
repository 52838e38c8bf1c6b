/** The laws on processes. The checks find planted faults of the host and of the process, and shrink the program. */
import type { Name } from "@quiesce/testing/laws/Law"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import * as ProcessAdapter from "../src/ProcessAdapter.ts"

/** Reports each thread as abandoned. */
const abandoned: Subject["shutdown"] = (thread, escalation, reason) =>
  Effect.map(core.shutdown(thread, escalation, reason), (report) =>
    Object.assign({}, report, { ending: { _tag: "Abandoned" } })
  )

/** Each fault with the seed of a short search. Other seeds also find the faults, some after more programs. */
const faults: ReadonlyArray<readonly [Name, string, ProcessAdapter.Faults, seed: number]> = [
  ["mask-pends", "wakes under masks", { fault: "wakes under masks" }, 5],
  ["interrupt-awaits", "returns from an interrupt too early", { subject: { interrupt: core.interruptFork } }, 3],
  ["kill-is-visible", "calls each end an abandon", { subject: { shutdown: abandoned } }, 3]
]

describe.skipIf(process.platform === "win32")("the check of", () => {
  it.each(faults)("%s finds a process whose thread %s", async (law, _, faults, seed) => {
    const { counterexample } = await Search.run(law, ProcessAdapter.make(faults), {
      programs: 40,
      whole: 0,
      cuts: 3,
      seed
    })

    expect(counterexample).toBeDefined()
    expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
  })
})
