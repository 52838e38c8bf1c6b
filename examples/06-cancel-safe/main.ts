/**
 * Is a program safe to cancel? `Interruption` tries it with a cancel at every one of its steps, and finds the gap in one
 * of two workers. Ten minutes of work take none, as the time is virtual.
 *
 *     node examples/06-cancel-safe/main.ts
 */
import { Interruption } from "@quiesce/testing"
import { Console, Effect } from "effect"
import { leaky, mended } from "./program.ts"

const tried = (name: string, program: Effect.Effect<unknown>) =>
  Effect.flatMap(Interruption.explore(program), (found) => Console.log(`${name}: ${Interruption.render(found)}`))

await Effect.runPromise(Effect.andThen(tried("leaky", leaky), tried("mended", mended)))
