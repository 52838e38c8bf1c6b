/**
 * The laws that only workers can break, and the laws whose checks allow more on workers. Each check finds its planted
 * fault, and shrinks the program.
 */
import type { Name } from "@quiesce/testing/laws/Law"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import * as WorkerAdapter from "../src/WorkerAdapter.ts"
import type { Fault } from "../src/workers/TestWorker.ts"

/** Each fault with the seed of a short search. Other seeds also find the faults, some after more programs. */
const faults: ReadonlyArray<readonly [Name, Fault, seed: number]> = [
  ["finalizer-isolation", "hides failures of releases", 3],
  ["kill-is-visible", "drops host leases", 7],
  ["unwind-precise", "ends masked sections", 2],
  ["no-signal-leak", "leaks cancels", 3],
  ["crash-contained", "spreads crashes", 5],
  ["mask-pends", "ignores cancels", 3],
  ["late-fork", "starts what is forked too late", 3],
  ["deadline-min", "ignores deadlines", 3],
  ["finalizer-shield", "shields no sections of releases", 1],
  ["bounded-cleanup", "shields no sections of releases", 1],
  ["finalizer-isolation", "runs values that are no effects", 2],
  ["finalizer-isolation", "holds up releases", 1]
]

/** Reports a never started thread as interrupted. */
const interrupted: Subject["shutdown"] = (thread, escalation, reason) =>
  Effect.map(core.shutdown(thread, escalation, reason), (report) =>
    report.ending._tag === "NeverStarted"
      ? Object.assign({}, report, { ending: { _tag: "Interrupted", reason } })
      : report
  )

describe("the check of", () => {
  it.each(faults)("%s finds an adapter that %s", async (law, fault, seed) => {
    const adapter = WorkerAdapter.make(2, { kills: true, thorough: false, fault })

    const { counterexample } = await Search.run(law, adapter, { programs: 200, whole: 0, cuts: 3, seed })
    await adapter.close()

    expect(counterexample).toBeDefined()
    expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
  })

  it("report-true finds an untrue report of a thread that has waited for a free worker", async () => {
    const subject = { shutdown: interrupted }
    const adapter = WorkerAdapter.make(2, { kills: false, thorough: false, subject })

    const { counterexample } = await Search.run("report-true", adapter, { programs: 200, whole: 0, cuts: 3, seed: 1 })
    await adapter.close()

    expect(counterexample?.scenario.waits).toBeGreaterThan(0)
  })
})
