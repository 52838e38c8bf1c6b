/** A folder that the host removes with its contents. */
import type { BigIntStats } from "node:fs"
import { lstat, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { resolve, sep } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { readyName } from "../../wire/readyNames.ts"
import type { HostLeaseError, TemporaryFolder, TemporaryFolderRequest } from "./declared.ts"
import { attempt, codeOf, notAllowed } from "./system.ts"

const name = readyName("temporaryFolder")

/** A plain part of a name. */
const isPrefix = (prefix: string): boolean => /^[^/\\\0]{0,100}$/.test(prefix)

/** Differs for two folders that have had the same path. */
type Identity = Pick<BigIntStats, "dev" | "ino">

const identityOf = (path: string): Promise<BigIntStats> => lstat(path, { bigint: true })

export const acquire = (
  root: string | undefined,
  { prefix = "quiesce-" }: TemporaryFolderRequest
): Effect.Effect<TemporaryFolder, HostLeaseError, Scope.Scope> => {
  if (!isPrefix(prefix)) {
    const problem = `its prefix is no part of a name of at most 100 characters. Leave out separators`
    return Effect.fail(notAllowed(name, problem))
  }
  const made = attempt(name, async () => {
    // A join would take a prefix such as ".." for a way out of the folder.
    const path = await mkdtemp(`${resolve(root ?? tmpdir())}${sep}${prefix}`)
    return { path, identity: await identityOf(path) }
  })
  const folder = Effect.acquireRelease(made, ({ identity, path }) => Effect.promise(() => remove(path, identity)))
  return Effect.map(folder, ({ path }) => ({ path }))
}

/** Code in the worker may have put another folder in its place, which is not the host's to remove. */
const remove = async (path: string, { dev, ino }: Identity): Promise<void> => {
  const now = await identityOf(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined
    throw error
  })
  if (now === undefined) return
  if (now.dev !== dev || now.ino !== ino) {
    throw new Error(`${path} is another folder now, so it was not removed. Leave the temporary folder in its place.`)
  }
  // Processes that end may still write for a moment, and Windows refuses to remove open files.
  await rm(path, { recursive: true, force: true, maxRetries: 5 })
}
