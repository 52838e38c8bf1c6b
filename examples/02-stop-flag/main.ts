/**
 * The stop flag: `Thread.stop` sets the flag, a thread polls the flag with `Thread.stopRequested`, and
 * `Thread.untilStopped` waits for an effect without missing the request.
 *
 *     node examples/02-stop-flag/main.ts
 */
import { Main } from "@quiesce/process"
import { program } from "./program.ts"

Main.run(program)
