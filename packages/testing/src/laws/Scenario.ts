/**
 * A program and what others do to it while it runs, as data.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Climb, Program } from "./Program.ts"

/**
 * What is done to a thread from outside. `Close` ends the scope that the first thread lives in.
 *
 * @category models
 * @since 0.1.0
 */
export type Action =
  | { readonly _tag: "Interrupt"; readonly wait: boolean }
  | { readonly _tag: "Stop" }
  | { readonly _tag: "Raise"; readonly error: "A" | "B" }
  | { readonly _tag: "Shutdown"; readonly climb: Climb }
  | { readonly _tag: "JoinWithin"; readonly millis: number }
  | { readonly _tag: "Await" }
  | { readonly _tag: "Close" }

/**
 * An action, the thread that it is done to (counted in the order of spawning, modulo their number), and how many steps
 * after the cut it is done. `unseen` says that the thread goes on while what was asked is on its way to it, where the
 * adapter has a way that takes time; else it is asked between two steps.
 *
 * @category models
 * @since 0.1.0
 */
export interface Planned {
  readonly action: Action
  readonly target: number
  readonly after: number
  /** Then it waits for some milliseconds, so that it also falls into stretches in which nothing runs. */
  readonly delay?: number | undefined
  readonly unseen?: boolean | undefined
}

/**
 * A scenario. Tasks run first in, first out where `seed` is null and the adapter can choose. With `witnesses` others
 * run beside and after it, where the adapter has a place for them that the scenario could harm.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scenario {
  readonly program: Program
  readonly plan: ReadonlyArray<Planned>
  readonly seed: number | null
  readonly witnesses: boolean
}

const Action: Schema.Codec<Action> = Schema.Union([
  Schema.TaggedStruct("Interrupt", { wait: Schema.Boolean }),
  Schema.TaggedStruct("Stop", {}),
  Schema.TaggedStruct("Raise", { error: Schema.Literals(["A", "B"]) }),
  Schema.TaggedStruct("Shutdown", { climb: Climb }),
  Schema.TaggedStruct("JoinWithin", { millis: Schema.Number }),
  Schema.TaggedStruct("Await", {}),
  Schema.TaggedStruct("Close", {})
])

/**
 * The Schema of a scenario.
 *
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
  witnesses: Schema.Boolean
})

/**
 * Whether somebody shuts a thread down, and gets a report.
 *
 * @category observing
 * @since 0.1.0
 */
export const isReported = ({ plan }: Scenario): boolean => plan.some(({ action }) => action._tag === "Shutdown")
