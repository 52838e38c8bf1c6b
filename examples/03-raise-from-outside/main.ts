/**
 * An error raised from outside: `Thread.raise` delivers the error to the innermost `Thread.receive` that accepts the
 * error. The work inside is interrupted, its finalizers run, the thread catches the error and goes on.
 *
 *     node examples/03-raise-from-outside/main.ts
 */
import { Main } from "@quiesce/process"
import { program } from "./program.ts"

Main.run(program)
