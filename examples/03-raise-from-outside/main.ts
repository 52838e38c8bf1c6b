/**
 * An error raised from outside: `Thread.raise` delivers it to the innermost `Thread.receive` that accepts it. The work
 * in there is interrupted with its finalizers, the error is caught like any other, and the thread goes on.
 *
 *     node examples/03-raise-from-outside/main.ts
 */
import { Effect } from "effect"
import { program } from "./program.ts"

await Effect.runPromise(program)
