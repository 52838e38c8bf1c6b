/**
 * A program and a plan of outside actions, as data.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Climb, Program } from "./Program.ts"

/**
 * An outside action on a thread. `Close` ends the scope of the first thread. A raise with `within` withdraws its error after
 * so many milliseconds, and says whether the error was delivered.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Action =
  | { readonly _tag: "Interrupt"; readonly wait: boolean }
  | { readonly _tag: "Stop" }
  | { readonly _tag: "Raise"; readonly error: "A" | "B"; readonly within?: number | undefined }
  | { readonly _tag: "Shutdown"; readonly climb: Climb }
  | { readonly _tag: "JoinWithin"; readonly millis: number }
  | { readonly _tag: "Await" }
  | { readonly _tag: "Close" }

/**
 * An action, its target thread (an index in the order of spawning, modulo the number of threads), and the number of steps
 * from the cut to the action. With `unseen`, the thread runs on while the request is on its way, if the adapter's requests
 * take time. Otherwise the action happens between two steps.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Planned {
  readonly action: Action
  readonly target: number
  readonly after: number
  /** A wait in milliseconds before the action, so that the action can fall into a time without a runnable task. */
  readonly delay?: number | undefined
  readonly unseen?: boolean | undefined
}

/**
 * A scenario. If `seed` is null and the adapter can choose, tasks run first in, first out. With `bystanders`, other threads
 * run beside and after the scenario, if the adapter has places for them that the scenario could harm. With `waits`, the first
 * thread waits so many milliseconds for a place to run, if the adapter has places, and the plan begins while it waits or just
 * afterwards: the cut is then a time. With `call`, the first thread is one of the host, which calls the program elsewhere by a
 * function that gives it no handle, if the adapter has one.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Scenario {
  readonly program: Program
  readonly plan: ReadonlyArray<Planned>
  readonly seed: number | null
  readonly bystanders: boolean
  readonly waits?: number | undefined
  readonly call?: Call | undefined
}

/**
 * A call that gives no handle: an effect whose failure has the failures of the program's releases, or a promise after whose
 * abort they are logged.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Call = "effect" | "promise"

/**
 * The milliseconds from the spawn to the start of the plan, for a scenario whose first thread waits for a place.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const beginsAfter = (waits: number, cut: number): number => cut % (waits + 2)

const Action: Schema.Codec<Action> = Schema.Union([
  Schema.TaggedStruct("Interrupt", { wait: Schema.Boolean }),
  Schema.TaggedStruct("Stop", {}),
  Schema.TaggedStruct("Raise", { error: Schema.Literals(["A", "B"]), within: Schema.optional(Schema.Number) }),
  Schema.TaggedStruct("Shutdown", { climb: Climb }),
  Schema.TaggedStruct("JoinWithin", { millis: Schema.Number }),
  Schema.TaggedStruct("Await", {}),
  Schema.TaggedStruct("Close", {})
])

/**
 * The Schema of a scenario.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Scenario: Schema.Codec<Scenario> = Schema.Struct({
  program: Program,
  plan: Schema.Array(
    Schema.Struct({
      action: Action,
      target: Schema.Number,
      after: Schema.Number,
      delay: Schema.optional(Schema.Number),
      unseen: Schema.optional(Schema.Boolean)
    })
  ),
  seed: Schema.NullOr(Schema.Number),
  bystanders: Schema.Boolean,
  waits: Schema.optional(Schema.Number),
  call: Schema.optional(Schema.Literals(["effect", "promise"]))
})

/**
 * Whether the plan or the program has a shutdown with a report.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const isReported = ({ plan }: Scenario): boolean => plan.some(({ action }) => action._tag === "Shutdown")
