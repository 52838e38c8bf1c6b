/**
 * Turns a program into an effect on a subject, and a plan into what is done to its threads; and notes what happens.
 *
 * A thread's name is its path: `t`, its second child `t.1`. A lease's name is that of its thread and a number.
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
 * @category constructors
 * @since 0.1.0
 */
export const body: (world: World, name: string, program: Program) => Scoped = Threads.body

/**
 * Does the action with this number, and notes what came of it. `close` ends the scope of the first thread.
 *
 * @category runners
 * @since 0.1.0
 */
export const perform: (world: World, planned: Planned, index: number, close: () => void) => Work = PerformPlan.perform

/**
 * The thread that an action is done to.
 *
 * @category observing
 * @since 0.1.0
 */
export const targetOf: (world: World, planned: Planned) => NamedThread | undefined = PerformPlan.targetOf
