/** The options of a program, which `Main` exports. */
import type * as Duration from "effect/Duration"
import type { Signal } from "effect/process/ChildProcess"
import type * as Runtime from "effect/Runtime"
import type * as Escalation from "@quiesce/core/Escalation"

/**
 * The options of a program.
 *
 * - `name`: the name of the program's thread, which begins each message. Default: `program`
 * - `signals`: the signals that end the program. Default: SIGINT, SIGTERM, SIGHUP, SIGQUIT, and SIGBREAK on Windows. Names
 *   of signals that the platform lacks are left out
 * - `escalation`: the rungs to climb. `unwind` and `kill` end tasks of workers. A program with these rungs only is
 *   interrupted at once, too. Default: `interrupt` for 5 seconds, `unwind` and `kill` for 1 second each
 * - `budget`: the time for the whole end. Longer graces are shortened in proportion. The last second, or an eighth of a
 *   short budget, is for the remaining releases of a program that is given up. Default: 8 seconds, or the sum of the
 *   graces of an `escalation` with an end, and a second
 * - `onSecondSignal`: `climb` goes up a rung at once and names the threads in the way; `exit` ends the process. Default:
 *   `climb`
 * - `parentExit`: `end` ends the program when its parent process ends; `auto` does so if a standard stream is a terminal;
 *   `ignore` never does. Default: `auto`
 * - `progress`: from the first second of the end on, a line on stderr names the threads that still run. `auto` rewrites
 *   the line in a terminal, `lines` always writes new lines, `none` writes nothing. Default: `auto`
 * - `reraise`: the process ends by the signal itself in place of the exit code 128 + n. Default: `false`
 * - `breakOnSigint`: Ctrl-C ends a section of `Blocking.interruptible` on the main thread. Default: `true`
 * - `dumpSignal`: the signal that prints the threads of the process on stderr, with their leases and the stacks of busy
 *   workers; `none` prints nothing. Default: SIGUSR2, unless it is one of `signals`
 * - `teardown`: gives the exit code. Default: Effect's, with 128 + n for a signal
 * - `disableErrorReporting`: a failure of the program is not logged. Default: `false`
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly name?: string | undefined
  readonly signals?: ReadonlyArray<Signal> | undefined
  readonly escalation?: Escalation.Escalation | undefined
  readonly budget?: Duration.Input | undefined
  readonly onSecondSignal?: "climb" | "exit" | undefined
  readonly parentExit?: "auto" | "end" | "ignore" | undefined
  readonly progress?: "auto" | "lines" | "none" | undefined
  readonly reraise?: boolean | undefined
  readonly breakOnSigint?: boolean | undefined
  readonly dumpSignal?: Signal | "none" | undefined
  readonly teardown?: Runtime.Teardown | undefined
  readonly disableErrorReporting?: boolean | undefined
}
