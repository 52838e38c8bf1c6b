/** The problem with a value in the place of a signal's name. */
import { textOf } from "@quiesce/core/internal"
import { numberOf, type Signal } from "./signalName.ts"

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

/** The problem with a name, as text. A name of another platform is none. */
export const problemOf = (name: unknown): string | undefined => {
  if (typeof name !== "string" || (numberOf(name as Signal) === undefined && !foreign.has(name)))
    return `${textOf(name)} is not a signal. Use names such as "SIGTERM"`
  if (name === "SIGKILL" || name === "SIGSTOP") return `no program can handle ${name}. Leave it out`
  return undefined
}
