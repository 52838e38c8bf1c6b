/**
 * The stop flag: `Thread.stop` asks, `Thread.stopRequested` is what a thread polls, and `Thread.untilStopped` lets it
 * wait for something without missing the request.
 *
 *     node examples/02-stop-flag/main.ts
 */
import { Effect } from "effect"
import { program } from "./program.ts"

await Effect.runPromise(program)
