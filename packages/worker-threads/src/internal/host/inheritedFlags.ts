/**
 * The flags of this process that its workers inherit. Node refuses to start a worker with a flag of the whole process,
 * such as `--max-old-space-size`. Such a flag applies to workers anyway.
 */
import type { Worker } from "node:worker_threads"
import { execArgv } from "../wire/unwindFlags.ts"

/** The flags that Node has not refused so far. */
let inherited: ReadonlyArray<string> = process.execArgv

/** Starts a worker with the flags that Node accepts. Throws any other error of `start`. */
export const startWith = (start: (execArgv: Array<string>) => Worker): Worker => {
  try {
    return start([...inherited, ...execArgv])
  } catch (cause) {
    const rest = without(inherited, refusedBy(cause))
    if (rest.length === inherited.length) throw cause
    inherited = rest
    return startWith(start)
  }
}

/** The flags that an error names. */
const refusedBy = (cause: unknown): ReadonlyArray<string> =>
  cause instanceof Error && "code" in cause && cause.code === "ERR_WORKER_INVALID_EXEC_ARGV"
    ? cause.message.replace(/^.*?: /, "").split(", ")
    : []

const without = (flags: ReadonlyArray<string>, refused: ReadonlyArray<string>): ReadonlyArray<string> => {
  const isRefused = (flag: string | undefined) => flag !== undefined && refused.includes(flag)
  // A flag's value may be an argument of its own.
  const isValueOfRefused = (flag: string, at: number) => !flag.startsWith("-") && isRefused(flags[at - 1])
  return flags.filter((flag, at) => !isRefused(flag) && !isValueOfRefused(flag, at))
}
