/**
 * Is a program safe to cancel? `Interruption` cancels a program at every step, and finds the leak in one of two workers.
 * Ten minutes of work take no time, because the clock is virtual.
 *
 *     node examples/06-cancel-safe/main.ts
 */
import { Main } from "@quiesce/process"
import { Interruption } from "@quiesce/testing"
import { Console, Effect } from "effect"
import { leaky, mended } from "./program.ts"

const tried = (name: string, program: Effect.Effect<unknown>) =>
  Effect.flatMap(Interruption.explore(program), (found) => Console.log(`${name}: ${Interruption.render(found)}`))

Main.run(Effect.andThen(tried("leaky", leaky), tried("mended", mended)))
