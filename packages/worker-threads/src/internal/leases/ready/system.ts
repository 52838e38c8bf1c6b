/** Refusals of the system, and paths that a host allows. */
import { realpath } from "node:fs/promises"
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path"
import { messageOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import type { ReadyName } from "../../wire/readyNames.ts"
import { HostLeaseError } from "./declared.ts"

/** The code of an error of the system, such as `ENOENT`. */
export const codeOf = (error: unknown): string | undefined =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined

/** Cannot be interrupted: a call of the system that has begun has an effect in any case. */
export const attempt = <A>(lease: ReadyName, f: () => Promise<A>): Effect.Effect<A, HostLeaseError> =>
  Effect.uninterruptible(
    Effect.tryPromise({
      try: f,
      catch: (error) => (error instanceof HostLeaseError ? error : systemError(lease, error))
    })
  )

const systemError = (lease: ReadyName, error: unknown): HostLeaseError => {
  const code = codeOf(error) ?? "UNKNOWN"
  return new HostLeaseError({
    lease,
    reason: { _tag: "SystemError", code },
    message: `The system refuses "${lease}": ${messageOf(error)}.`
  })
}

export const notAllowed = (lease: ReadyName, problem: string): HostLeaseError =>
  new HostLeaseError({
    lease,
    reason: { _tag: "NotAllowed" },
    message: `The host does not allow its workers this "${lease}": ${problem}.`
  })

/** The real path of the folder around a path, and the last name of the path. Fails with `NotAllowed` outside the roots. */
export const placeIn = async (lease: ReadyName, roots: ReadonlyArray<string>, path: string): Promise<string> => {
  const given = resolve(path)
  const folder = await realpath(dirname(given))
  const name = basename(given)
  if (name !== "" && (await isWithin(roots, folder))) return join(folder, name)
  throw notAllowed(lease, `${given} is in none of the roots ${roots.join(", ")}. Name another path, or add a root`)
}

/** Whether a real path is one of the roots or in one of them. */
export const isWithin = async (roots: ReadonlyArray<string>, real: string): Promise<boolean> => {
  for (const root of roots) {
    const way = relative(await realRoot(root), real)
    if (way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way)) return true
  }
  return false
}

/** A root that is not there allows nothing, because no real path is in it. */
const realRoot = (root: string): Promise<string> => realpath(root).catch(() => resolve(root))
