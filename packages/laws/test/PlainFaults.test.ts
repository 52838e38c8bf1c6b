/** The laws on plain functions. Each check finds its planted fault, and shrinks the program. */
import * as Adapter from "@quiesce/testing/laws/Adapter"
import type { Name } from "@quiesce/testing/laws/Law"
import * as Program from "@quiesce/testing/laws/Program"
import * as Search from "@quiesce/testing/laws/Search"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import { faults as ofSubject } from "../../testing/test/fixtures/faults.ts"
import * as PlainAdapter from "../src/PlainAdapter.ts"
import type { Faults } from "../src/workers/TestWorker.ts"

/** Reports each thread as abandoned. */
const abandoned: Subject["shutdown"] = (thread, escalation, reason) =>
  Effect.map(core.shutdown(thread, escalation, reason), (report) =>
    Object.assign({}, report, { ending: { _tag: "Abandoned" } })
  )

/** A fault of the function, of its context, of its worker, or of the host. */
const faults: Partial<Record<Name, Faults>> = {
  "release-once": { fault: "releases twice" },
  "no-acquire-no-release": { fault: "releases what it failed to acquire" },
  "acquire-atomic": { fault: "forgets leases" },
  lifo: { fault: "releases the first first" },
  "finalizer-isolation": { fault: "stops releasing after a failure" },
  "finalizer-shield": { fault: "cuts releases" },
  "bounded-cleanup": { fault: "releases beyond limits" },
  "interrupt-idempotent": { fault: "runs twice" },
  "interrupt-awaits": { fault: "settles before it has released" },
  "all-interruptors-wait": { subject: ofSubject["all-interruptors-wait"] },
  "late-interrupt-noop": { subject: ofSubject["late-interrupt-noop"] },
  "join-pure": { subject: ofSubject["join-pure"] },
  "join-stable": { subject: ofSubject["join-stable"] },
  "level-triggered": { fault: "never looks at its token" },
  "mask-pends": { fault: "wakes under masks" },
  "did-not-happen": { fault: "leaves its lock locked" },
  "first-reason": { fault: "changes its reason" },
  "reason-everywhere": { fault: "changes its reason" },
  "ladder-monotone": { subject: ofSubject["ladder-monotone"] },
  "kill-is-visible": { subject: { shutdown: abandoned } },
  "unwind-precise": { fault: "loops while it holds leases" },
  "no-signal-leak": { fault: "leaks cancels" },
  "exit-unique": { fault: "runs twice" },
  "raise-exactly-one": { subject: ofSubject["raise-exactly-one"] },
  "settle-before-release": { fault: "leaves promises behind" },
  "crash-contained": { fault: "spreads crashes" },
  "report-true": { subject: ofSubject["report-true"] }
}

const applying = Adapter.applying({ name: "plain functions", lacks: PlainAdapter.lacks, run: () => Promise.reject() })

it.each(applying)("%s: the check finds the planted fault in plain functions", async (law) => {
  const adapter = PlainAdapter.make(2, { kills: true, thorough: false, ...faults[law] })

  const { counterexample } = await Search.run(law, adapter, { programs: 300, whole: 0, cuts: 5, seed: 3 })
  await adapter.close()

  expect(counterexample).toBeDefined()
  expect(Program.size(counterexample!.scenario.program)).toBeLessThanOrEqual(8)
})
