/**
 * Runs a program as an effect on a subject, performs a plan on its threads, and records the events.
 *
 * The name of a thread is its path: `t`, and `t.1` for its second child. The name of a lease is the name of its thread and
 * a number.
 *
 * @since 0.1.0
 */
import * as PerformPlan from "./interpret/performPlan.ts"
import type { Scoped } from "./interpret/position.ts"
import * as Threads from "./interpret/threads.ts"
import type { Program } from "./Program.ts"
import type { Planned } from "./Scenario.ts"
import type { Work } from "./Subject.ts"
import type { NamedThread, World } from "./World.ts"

/**
 * The body of the thread `name`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const body: (world: World, name: string, program: Program) => Scoped = Threads.body

/**
 * Performs the action with a number and records the result. `close` ends the scope of the first thread.
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const perform: (world: World, planned: Planned, index: number, close: () => void) => Work = PerformPlan.perform

/**
 * The target thread of an action.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const targetOf: (world: World, planned: Planned) => NamedThread | undefined = PerformPlan.targetOf
