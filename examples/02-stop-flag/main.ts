/**
 * The stop flag: `Thread.stop` sets the flag, a thread polls the flag with `Thread.stopRequested`, and
 * `Thread.untilStopped` waits for an effect without missing the request.
 *
 *     node examples/02-stop-flag/main.ts
 */
import { Effect } from "effect"
import { program } from "./program.ts"

await Effect.runPromise(program)
