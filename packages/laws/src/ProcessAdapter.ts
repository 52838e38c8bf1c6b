/**
 * The adapter that runs the laws' programs in processes of their own.
 *
 * A program runs as the plain functions of `PlainAdapter` do, in a process of Node that gets its requests as messages. Its
 * exit crosses as a code, and its leases, masks and cleanups are its own. The laws look at the promises of the thread:
 * which requests arrive, when, with which reason, and which end the host sees. `lacks` names the other laws.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import type * as Adapter from "@quiesce/testing/laws/Adapter"
import type { LawCase } from "@quiesce/testing/laws/LawCase"
import type * as Program from "@quiesce/testing/laws/Program"
import type { Subject } from "@quiesce/testing/laws/Subject"
import * as Effect from "effect/Effect"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { withJoins } from "./PlainAdapter.ts"
import type { PlainFault } from "./plain/plainContract.ts"
import { ProcessRun } from "./process/processRun.ts"

const noThreads = "the processes below a process are no threads of the model; pnpm chaos --processes ends trees of them"
const ownCode = "the failures of releases end in the code of the process"

/** The laws that a process can't break or keep, each with the reason. */
export const lacks: Adapter.Adapter["lacks"] = {
  "no-orphan": noThreads,
  "late-fork": noThreads,
  "downward-only": noThreads,
  "fail-fast-origin": noThreads,
  "finalizer-isolation": ownCode,
  "deadline-min": "a process has no deadlines of its own",
  "did-not-happen": "a process shares no queue and no lock with its parent",
  "unwind-precise": "the code of a process can't be ended apart from the process",
  "no-signal-leak": "a process runs one program and is not used again",
  "crash-contained": "a process runs one thread, and nothing beside it",
  "listener-clean": "what a process leaves in itself ends with it"
}

const instructions: ReadonlySet<string> = new Set<Program.Instruction["_tag"]>([
  "Acquire",
  "Sleep",
  "Checkpoint",
  "Fail",
  "Scoped",
  "Mask",
  "Restore",
  "Attempt",
  "Finally",
  "UntilStopped",
  "Promise"
])

const releases: ReadonlySet<string> = new Set<Program.Release["_tag"]>(["Ok", "Slow", "Hang"])

/** The programs of a law without the instructions that a process lacks. */
const programs: NonNullable<Adapter.Adapter["programs"]> = (law, { mix, plan }): LawCase => {
  const weights = Object.fromEntries(Object.entries(mix.weights).filter(([tag]) => instructions.has(tag)))
  const known = (mix.releases ?? []).filter((release) => releases.has(release))
  const narrowed = { ...mix, weights, releases: known.length === 0 ? ["Ok" as const] : known }
  return { mix: narrowed, plan: law === "join-stable" ? withJoins(plan) : plan }
}

/** The planted fault of the processes, and functions of the host to replace. */
export interface Faults {
  readonly fault?: PlainFault | undefined
  readonly subject?: Partial<Subject> | undefined
}

/** Makes an adapter that starts a process for each run. */
export const make = ({ fault, subject = {} }: Faults = {}): Adapter.Adapter => {
  const spawner = Effect.runPromise(ChildProcessSpawner.pipe(Effect.provide(NodeServices.layer)))
  return {
    name: "processes",
    lacks,
    programs,
    run: async (scenario, cut) => new ProcessRun(scenario, cut, { spawner: await spawner, subject, fault }).outcome()
  }
}
