/** The names of signals, and their numbers on this platform. */
import { constants } from "node:os"
import type { Signal } from "effect/process/ChildProcess"

export type { Signal }

/** The signals that end a program by default. */
export const endings: ReadonlyArray<Signal> = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"]

/** Signals of other platforms than this one, which Effect names. */
const foreign: ReadonlySet<string> = new Set<Signal>([
  "SIGBREAK",
  "SIGHUP",
  "SIGINFO",
  "SIGLOST",
  "SIGPOLL",
  "SIGPWR",
  "SIGQUIT",
  "SIGSTKFLT",
  "SIGUNUSED",
  "SIGUSR1",
  "SIGUSR2"
])

const numbers: Partial<Record<string, number>> = constants.signals

/** The number of a signal; undefined for a signal that this platform lacks. */
export const numberOf = (signal: Signal): number | undefined => numbers[signal]

/** The exit code by which a shell names the end by a signal. */
export const exitCode = (signal: Signal): number => 128 + (numberOf(signal) ?? 0)

/** The problem with a name, as text. A name of another platform is none. */
export const problemOf = (name: unknown): string | undefined => {
  if (typeof name !== "string" || (numbers[name] === undefined && !foreign.has(name)))
    return `${typeof name === "string" ? `"${name}"` : String(name)} is not a signal. Use names such as "SIGTERM"`
  if (name === "SIGKILL" || name === "SIGSTOP") return `no program can handle ${name}. Leave it out`
  return undefined
}
