/** The leases that a host keeps for its workers, besides those with handlers of its own. */
import { millisOf, textOf } from "@quiesce/core/internal"
import type * as Duration from "effect/Duration"
import * as Result from "effect/Result"

/** The process that a worker asks for. */
export interface Command {
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string | undefined
}

/**
 * The resources that workers may ask for. Any other resource is refused, except folders for temporary files.
 *
 * - `temporaryFolder`: false, or the folder in which temporary folders are made (default: the folder of the system)
 * - `lockFile.roots`: the folders in which, at any depth, lock files may be made
 * - `fileHandle.roots`: the folders in which, at any depth, files may be opened
 * - `childProcess.commands`: the names of the commands that may be started with any arguments, or a function that
 * decides.
 *   `grace`: how long a process may take to end after SIGTERM, before SIGKILL (default: 2 seconds)
 */
export interface Permissions {
  readonly temporaryFolder?: false | { readonly root: string } | undefined
  readonly lockFile?: { readonly roots: ReadonlyArray<string> } | undefined
  readonly fileHandle?: { readonly roots: ReadonlyArray<string> } | undefined
  readonly childProcess?:
    | {
        readonly commands: ReadonlyArray<string> | ((command: Command) => boolean)
        readonly grace?: Duration.Input | undefined
      }
    | undefined
}

/** An option that can't be used as given. */
export interface Invalid {
  readonly option: string
  readonly problem: string
}

const kinds = ["temporaryFolder", "lockFile", "fileHandle", "childProcess"]

/** The first option that can't be used. A caller without types may give any value. */
export const invalidIn = (permissions: unknown): Invalid | undefined => {
  if (!isRecord(permissions))
    return { option: "leases", problem: "it is no object such as { lockFile: { roots: [] } }" }
  const unknown = Object.keys(permissions).find((key) => !kinds.includes(key))
  if (unknown !== undefined) {
    return { option: `leases.${unknown}`, problem: `there is no such lease; there are ${kinds.join(", ")}` }
  }
  return kinds
    .filter((kind) => permissions[kind] !== undefined)
    .map((kind) => invalidKind(kind, permissions[kind]))
    .find((invalid) => invalid !== undefined)
}

const invalidKind = (kind: string, given: unknown): Invalid | undefined => {
  if (kind === "temporaryFolder") {
    if (given === false || (isRecord(given) && typeof given["root"] === "string")) return undefined
    return { option: "leases.temporaryFolder", problem: "it is neither false nor { root } with a path" }
  }
  const field = kind === "childProcess" ? "commands" : "roots"
  const list = isRecord(given) ? given[field] : undefined
  if (!isTexts(list) && !(kind === "childProcess" && typeof list === "function")) {
    return { option: `leases.${kind}.${field}`, problem: "it is no array of texts" }
  }
  // `list` was a field of it.
  return kind === "childProcess" ? invalidGrace((given as NonNullable<Permissions["childProcess"]>).grace) : undefined
}

type Grace = Duration.Input | undefined

const invalidGrace = (grace: Grace): Invalid | undefined => {
  const millis = millisOfGrace(grace)
  if (millis >= 0 && millis <= 0x7fffffff) return undefined
  const problem = `${textOf(grace)} is not a duration that can be waited; give one such as "2 seconds"`
  return { option: "leases.childProcess.grace", problem }
}

/** The milliseconds from SIGTERM to SIGKILL. Not a number for a wrong duration. */
export const millisOfGrace = (grace: Grace = "2 seconds"): number => Result.getOrElse(millisOf(grace), () => NaN)

const isRecord = (u: unknown): u is Readonly<Record<string, unknown>> => typeof u === "object" && u !== null

const isTexts = (u: unknown): boolean => Array.isArray(u) && u.every((text) => typeof text === "string")
