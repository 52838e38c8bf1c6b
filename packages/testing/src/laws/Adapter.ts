/**
 * The subject of the laws: an adapter runs scenarios on fibers, on worker threads or on your own kind of thread.
 *
 * There are three ways to bring your own. Use `fromControls` for the controls of a thread that runs elsewhere. Use
 * `fromSubject` if you also have your own functions to spawn, interrupt or join. Or write a record with a `run` of your own,
 * which returns the trace of a program that ran outside the schedulers of this package.
 *
 * @since 0.1.0
 */
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Thread from "@quiesce/core/Thread"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Leaks from "../Leaks.ts"
import * as Simulation from "../Simulation.ts"
import { ScenarioRun } from "./interpret/scenarioRun.ts"
import { type Name, names } from "./Law.ts"
import type { LawCase } from "./LawCase.ts"
import type { Outcome } from "./Outcome.ts"
import type { Instruction, Program } from "./Program.ts"
import type { Scenario } from "./Scenario.ts"
import { core, type Subject, type Work } from "./Subject.ts"

/**
 * An adapter.
 *
 * - `lacks`: the laws that don't apply, each with the reason
 * - `run`: runs a scenario and begins its plan at a step; null means no plan
 * - `parallel`: the number of concurrent runs (default 1)
 * - `isDelayed`: whether a request takes a while to reach its thread, as between two machines. It arrives within its
 *   millisecond (default: false)
 * - `programs`: the programs and plans of a law for threads that know fewer instructions (default: all of them)
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Adapter {
  readonly name: string
  readonly lacks: Readonly<Partial<Record<Name, string>>>
  readonly run: (scenario: Scenario, cut: number | null) => Outcome | Promise<Outcome>
  readonly parallel?: number | undefined
  readonly isDelayed?: boolean | undefined
  readonly programs?: ((law: Name | "model", lawCase: LawCase) => LawCase) | undefined
}

/**
 * The laws that an adapter can keep.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const applying = (adapter: Adapter): ReadonlyArray<Name> =>
  names.filter((law) => adapter.lacks[law] === undefined)

/** The laws that threads on fibers can't keep. */
const lacks: Adapter["lacks"] = {
  "no-signal-leak": "a fiber is not used again",
  "crash-contained": "what crashes the JavaScript thread of a fiber crashes all"
}

/**
 * The threads of a subject (default: core's threads on fibers), run step by step in virtual time.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromSubject = (name: string, subject: Partial<Subject> = {}): Adapter => {
  const whole = { ...core, ...subject }
  return { name, lacks, run: (scenario, cut) => run(whole, scenario, cut) }
}

/**
 * Threads on fibers.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fibers: Adapter = fromSubject("fibers")

/**
 * Threads that run elsewhere, behind the controls that `start` returns. `start` must run its effect there as a thread of
 * core.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const fromControls = (
  name: string,
  start: (
    effect: Work<unknown, Scope.Scope>,
    cell: ThreadAdapter.RemoteThread<unknown, unknown>,
    options: Thread.SpawnOptions
  ) => Work<ThreadAdapter.Controls, Scope.Scope>
): Adapter =>
  fromSubject(name, {
    isElsewhere: true,
    // A cancelled thread goes on until its request has reached it.
    hasArrived: Effect.map(Thread.current, ({ signal }) => signal.aborted),
    spawn: (effect, options) => ThreadAdapter.spawn((cell) => start(effect, cell, options), options)
  })

const run = (subject: Subject, scenario: Scenario, cut: number | null): Outcome | Promise<Outcome> => {
  const scenarioRun = new ScenarioRun(scenario, cut, subject)
  const listeners = Leaks.watchListeners()
  if (awaits(scenario.program)) {
    return Simulation.runAsync(scenarioRun.program, scenarioRun.options)
      .then((ran) => scenarioRun.outcome(ran, listeners.count()))
      .finally(() => listeners.end())
  }
  try {
    return scenarioRun.outcome(Simulation.run(scenarioRun.program, scenarioRun.options), listeners.count())
  } finally {
    listeners.end()
  }
}

/** Whether a program has real promises in it. */
const awaits = (program: Program): boolean => program.some((instruction) => isAwaiting(instruction))

const isAwaiting = (instruction: Instruction): boolean => {
  if (instruction._tag === "Promise") return true
  if (instruction._tag === "Finally" && awaits(instruction.cleanup)) return true
  if (instruction._tag === "Group" && instruction.members.some(awaits)) return true
  return "body" in instruction && awaits(instruction.body)
}
