/** The last step of a process: the output is written out, and the process ends by its code or by a signal. */
import { setTimeout as sleep } from "node:timers/promises"
import { writeOut } from "../output/writeOut.ts"
import { exitCode, type Signal } from "../signals/signalName.ts"

/** How a process ends. */
export type Way =
  | { readonly _tag: "Exit"; readonly code: number }
  /** The default action of the signal ends the process, so that the parent sees the signal. */
  | { readonly _tag: "Reraise"; readonly signal: Signal }

/** The time for the output of a program that was asked to end, and of one that has ended by itself, in milliseconds. */
const writeOutMillis = { asked: 2000, byItself: 60_000 }

/** The time until a signal that the process has sent to itself counts as refused, in milliseconds. */
const patience = 1000

/** Ends the process after its output. `repeatsFor` is the time in which a wrapper may repeat the last signal. */
export const leave = async (way: Way, asked: boolean, repeatsFor: () => number): Promise<never> => {
  await writeOut(asked ? writeOutMillis.asked : writeOutMillis.byItself)
  // During the exit, a repeated signal would end the process in place of the exit code.
  await sleep(repeatsFor())
  if (way._tag === "Exit") return process.exit(way.code)
  raise(way.signal)
  // The process ends here, but for the first process of a container, to which no signal does anything by default.
  await sleep(patience)
  return process.exit(exitCode(way.signal))
}

/** Ends the process now. The default action of the signal does so even if a worker is blocked by native code. */
export const leaveNow = (signal: Signal): never => {
  raise(signal)
  return process.exit(exitCode(signal))
}

const raise = (signal: Signal): void => {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}
