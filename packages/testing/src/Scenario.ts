/**
 * A program and what others do to it while it runs, as data.
 *
 * @since 0.1.0
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Thread from "@quiesce/core/Thread"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { shutdown } from "./internal/children.ts"
import { Climb, Program } from "./Program.ts"
import { random } from "./StepScheduler.ts"
import type { Work } from "./Subject.ts"
import { asking, type Known, raise, type World } from "./World.ts"

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

/**
 * The thread that an action is done to.
 *
 * @category observing
 * @since 0.1.0
 */
export const targetOf = (world: World, { target }: Planned): Known | undefined =>
  [...world.threads.values()][target % Math.max(1, world.threads.size)]

/**
 * Does the action with this number, and notes what came of it. `close` ends the scope of the first thread.
 *
 * @category runners
 * @since 0.1.0
 */
export const perform = (world: World, planned: Planned, index: number, close: () => void): Work => {
  const acting = Effect.suspend(() => {
    const known = targetOf(world, planned)
    return known === undefined ? Effect.void : act(world, known, planned.action, `plan ${index}`, close)
  })
  return planned.delay === undefined ? acting : Effect.delay(acting, planned.delay)
}

const act = (world: World, known: Known, action: Action, message: string, close: () => void): Work => {
  const { thread } = known
  switch (action._tag) {
    case "Interrupt":
      return asking(world, known, action.wait ? "interrupt" : "interruptFork", message, () =>
        (action.wait ? world.subject.interrupt : world.subject.interruptFork)(thread, CancelReason.interrupted(message))
      )
    case "Stop":
      return asking(world, known, "stop", message, () => world.subject.stop(thread, CancelReason.stopped(message)))
    case "Raise":
      return raise(world, message, known, action.error)
    case "Shutdown":
      return shutdown(world, known, action.climb, message)
    case "JoinWithin":
      return timedJoin(world, known, action.millis)
    case "Await":
      return Effect.flatMap(world.subject.await(thread), (exit) =>
        world.noting(() => ({ _tag: "Joined", thread: "plan", target: known.name, exit, timed: false }))
      )
    case "Close":
      return Effect.sync(close)
  }
}

/** Joins with a limit; notes if that alone has changed the thread. */
const timedJoin = (world: World, known: Known, millis: number): Work =>
  Effect.gen(function* () {
    const before = known.thread.reason
    const asked = world.events.length
    yield* Effect.exit(world.subject.joinWithin(known.thread, millis))
    const others = world.events
      .slice(asked)
      .some((event) => event._tag === "Asked" || event._tag === "BodyEnded" || event._tag === "Settled")
    const status = yield* Thread.status(known.thread)
    // A parent that ended asks its children, join or no join.
    const own = known.thread.reason?._tag !== "ParentEnded" && known.thread.reason?._tag !== "SiblingFailed"
    if (own && !others && known.thread.reason !== before && status._tag !== "Done") {
      world.note({ _tag: "JoinChanged", thread: "plan", target: known.name })
    }
  })

/**
 * The steps at which to cut a program of `steps` steps: all of them, or a seeded sample of `most`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const cutsOf = (steps: number, most: number, seed: number): ReadonlyArray<number> => {
  if (steps <= most) return Array.from({ length: steps }, (_, index) => index + 1)
  const next = random(seed)
  const stride = steps / most
  return Array.from({ length: most }, (_, index) => 1 + Math.floor(index * stride + next() * stride))
}
