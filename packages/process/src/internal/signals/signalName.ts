/** The names of signals, and their numbers on this platform. */
import { constants } from "node:os"
import type { Signal } from "effect/process/ChildProcess"

export type { Signal }

/** The signals that end a program by default. */
export const endings: ReadonlyArray<Signal> = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK"]

const numbers: Partial<Record<string, number>> = constants.signals

/** The number of a signal; undefined for a signal that this platform lacks. */
export const numberOf = (signal: Signal): number | undefined => numbers[signal]

/** The exit code by which a shell names the end by a signal. */
export const exitCode = (signal: Signal): number => 128 + (numberOf(signal) ?? 0)
