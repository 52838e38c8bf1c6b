/**
 * The adapter that runs the laws' programs as plain functions in workers of a pool of plain functions.
 *
 * A plain function has no threads below it, no errors raised into it, no deadlines of its own and no masks of the platform.
 * The programs of a law have only the instructions that such a function knows. `lacks` names the laws for which none is
 * left.
 *
 * An end by force skips the `finally` blocks of a function. So a function loops without a look at its token only while it
 * holds no lease. A kill may come at any time.
 */
import type * as Adapter from "@quiesce/testing/laws/Adapter"
import type { LawCase } from "@quiesce/testing/laws/LawCase"
import type * as Program from "@quiesce/testing/laws/Program"
import * as fc from "fast-check"
import { plainPool } from "./plain/plainPool.ts"
import { ofKind, type Options, type WorkerAdapter } from "./WorkerAdapter.ts"

const noThreads = "a plain function starts no threads below it"

/** The laws that a plain function can't break or keep, each with the reason. */
export const lacks: Adapter.Adapter["lacks"] = {
  "no-orphan": noThreads,
  "late-fork": noThreads,
  "downward-only": noThreads,
  "fail-fast-origin": noThreads,
  "deadline-min": "a call has one limit, in real time, and a function has none of its own",
  "listener-clean": "what a plain function leaves is its own"
}

const instructions: ReadonlySet<string> = new Set<Program.Instruction["_tag"]>([
  "Acquire",
  "Sleep",
  "Checkpoint",
  "Spin",
  "Poll",
  "Crash",
  "Fail",
  "Scoped",
  "Mask",
  "Restore",
  "Attempt",
  "Finally",
  "UntilStopped",
  "Lock",
  "Promise"
])

const releases: ReadonlySet<string> = new Set<Program.Release["_tag"]>(["Ok", "Fail", "Die", "Slow", "Hang"])

/** The programs of a law without the instructions that a plain function lacks. */
const programs: NonNullable<Adapter.Adapter["programs"]> = (law, { mix, plan }) => {
  const weights = Object.fromEntries(Object.entries(mix.weights).filter(([tag]) => instructions.has(tag)))
  const known = (mix.releases ?? []).filter((release) => releases.has(release))
  // The model has another kind of failure for a release than for other code.
  const narrowed = { ...mix, weights, releases: law === "model" || known.length === 0 ? ["Ok" as const] : known }
  return { mix: narrowed, plan: law === "join-stable" ? withJoins(plan) : plan }
}

/** The joins of a program's own threads are replaced by joins from outside. */
export const withJoins = (plan: LawCase["plan"]): LawCase["plan"] =>
  fc
    .tuple(fc.constantFrom(0, 1, 5), fc.constantFrom(0, 1, 5), plan)
    .map(([first, second, planned]) => [
      { action: { _tag: "Await" }, target: 0, after: first },
      ...planned,
      { action: { _tag: "Await" }, target: 0, after: second }
    ])

/** Makes an adapter that runs scenarios on a number of concurrent test workers. */
export const make = (testWorkers: number, options: Options = { kills: true, thorough: false }): WorkerAdapter =>
  ofKind({ name: "plain functions", lacks, programs }, plainPool, testWorkers, options)
