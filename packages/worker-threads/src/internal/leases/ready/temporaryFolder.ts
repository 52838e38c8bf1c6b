/**
 * A folder that the host removes with its contents.
 *
 * Invariant: if this process exits, the folders that are left are removed.
 */
import { type BigIntStats, lstatSync, rmSync } from "node:fs"
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

/** The folders of this process by their paths, so that one listener serves all. */
const folders = new Map<string, Identity>()

const keep = (path: string, identity: Identity): void => {
  if (folders.size === 0) process.on("exit", removeAll)
  folders.set(path, identity)
}

const forget = (path: string): void => {
  if (folders.delete(path) && folders.size === 0) process.off("exit", removeAll)
}

/** A folder that can't be removed does not keep the others, and the exit itself goes on. */
const removeAll = (): void => {
  for (const [path, identity] of folders) {
    try {
      if (isSame(identity, lstatSync(path, { bigint: true })))
        rmSync(path, { recursive: true, force: true, maxRetries: 1 })
    } catch {
      // Nobody can handle the error any more.
    }
  }
}

const isSame = (one: Identity, other: Identity): boolean => one.dev === other.dev && one.ino === other.ino

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
    const identity = await identityOf(path)
    keep(path, identity)
    return { path, identity }
  })
  const folder = Effect.acquireRelease(made, ({ identity, path }) =>
    Effect.promise(() => remove(path, identity).finally(() => forget(path)))
  )
  return Effect.map(folder, ({ path }) => ({ path }))
}

/** Code in the worker may have put another folder in its place, which is not the host's to remove. */
const remove = async (path: string, identity: Identity): Promise<void> => {
  const now = await identityOf(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined
    throw error
  })
  if (now === undefined) return
  if (!isSame(identity, now)) {
    throw new Error(`${path} is another folder now, so it was not removed. Leave the temporary folder in its place.`)
  }
  // Processes that end may still write for a moment, and Windows refuses to remove open files.
  await rm(path, { recursive: true, force: true, maxRetries: 5 })
}
