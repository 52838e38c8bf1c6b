/**
 * The names of the options of plain functions. Another name is refused, because a misspelled limit or signal would end
 * nothing, and nobody would notice. Nothing here loads Effect.
 */
import type { Options } from "../../host/poolOptions.ts"
import type { Invalid } from "../../leases/permissions.ts"
import type { RunOptions } from "./runOptions.ts"

/** The names of an option's parts. Null for an option without parts of its own. */
type Parts = ReadonlyArray<string> | null

const callOptions: Readonly<Record<keyof RunOptions, Parts>> = {
  signal: null,
  runWithin: null,
  name: null,
  priority: null,
  transfer: null,
  onProgress: null,
  leases: null
}

/** Only pools of a contract have the others. */
type PoolOption =
  | Exclude<keyof Options, "spawn" | "startWithin" | "escalation" | "name" | "hostLeases">
  | "worker"
  | "leases"

const poolOptions: Readonly<Record<PoolOption, Parts>> = {
  size: ["min", "max", "idle"],
  concurrency: null,
  queue: ["bound", "whenFull"],
  runWithin: null,
  busy: ["after", "onBusy"],
  recycle: ["tasks", "age", "heap"],
  worker: ["name", "env", "argv", "execArgv", "resourceLimits"],
  leases: null
}

/** The first name that is no option of a call. */
export const unknownInCall = (options: object): Invalid | undefined => unknownIn(options, callOptions, "a call")

/** The first name that is no option of a pool, or no part of an option. */
export const unknownInPool = (options: object): Invalid | undefined => unknownIn(options, poolOptions, "a pool")

const unknownIn = (options: object, known: Readonly<Record<string, Parts>>, of: string): Invalid | undefined => {
  // A class may have options as inherited properties.
  for (const name in options) {
    const given = (options as Readonly<Record<string, unknown>>)[name]
    if (given === undefined) continue
    if (!Object.hasOwn(known, name)) {
      return { option: name, problem: `${of} has no such option; it has ${Object.keys(known).join(", ")}` }
    }
    const parts = known[name]
    const unknown = parts && unknownPart(given, parts)
    if (unknown)
      return { option: `${name}.${unknown}`, problem: `there is no such part; there are ${parts.join(", ")}` }
  }
  return undefined
}

const unknownPart = (given: unknown, parts: ReadonlyArray<string>): string | undefined =>
  typeof given === "object" && given !== null ? Object.keys(given).find((name) => !parts.includes(name)) : undefined
