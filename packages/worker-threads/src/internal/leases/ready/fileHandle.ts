/** A file that the host opens and closes. */
import { close, constants, fstat, open, type BigIntStats } from "node:fs"
import { realpath } from "node:fs/promises"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { readyName } from "../../wire/readyNames.ts"
import type { FileFlags, FileHandle, FileHandleRequest, HostLeaseError } from "./declared.ts"
import { attempt, codeOf, isWithin, notAllowed, placeIn } from "./system.ts"

const name = readyName("fileHandle")

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants

const modes: Readonly<Record<FileFlags, number>> = {
  r: O_RDONLY,
  "r+": O_RDWR,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_TRUNC | O_EXCL,
  "w+": O_RDWR | O_CREAT | O_TRUNC,
  "wx+": O_RDWR | O_CREAT | O_TRUNC | O_EXCL,
  a: O_WRONLY | O_CREAT | O_APPEND,
  ax: O_WRONLY | O_CREAT | O_APPEND | O_EXCL,
  "a+": O_RDWR | O_CREAT | O_APPEND,
  "ax+": O_RDWR | O_CREAT | O_APPEND | O_EXCL
}

/** A link in the last place is not followed, and a pipe without a partner does not block. Windows has neither flag. */
const always = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

// The functions with numbers are used, because an object of Node closes its number again when it is collected.
const openFile = promisify(open)
const closeFile = promisify(close)
const statOf = (fd: number): Promise<BigIntStats> =>
  new Promise((resolve, reject) =>
    fstat(fd, { bigint: true }, (error, stats) => (error === null ? resolve(stats) : reject(error)))
  )

interface Opened {
  readonly fd: number
  readonly dev: bigint
  readonly ino: bigint
}

export const acquire = (
  roots: ReadonlyArray<string>,
  { flags = "r", path }: FileHandleRequest
): Effect.Effect<FileHandle, HostLeaseError, Scope.Scope> => {
  const opened = attempt(name, async () => openIn(await targetIn(roots, path), modes[flags] | always))
  const handle = Effect.acquireRelease(opened, (file) => Effect.promise(() => closeOnce(file)))
  return Effect.map(handle, ({ fd }) => ({ fd }))
}

/** A link within the roots may lead to a file in them. */
const targetIn = async (roots: ReadonlyArray<string>, path: string): Promise<string> => {
  const place = await placeIn(name, roots, path)
  const target = await realpath(place).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return place
    throw error
  })
  if (target === place || (await isWithin(roots, target))) return target
  throw notAllowed(name, `${place} is a link to ${target}, which is in none of the roots`)
}

const openIn = async (path: string, mode: number): Promise<Opened> => {
  const fd = await openFile(path, mode, 0o666)
  try {
    const stats = await statOf(fd)
    if (!stats.isFile()) throw notAllowed(name, `${path} is no file`)
    return { fd, dev: stats.dev, ino: stats.ino }
  } catch (error) {
    await closeFile(fd)
    throw error
  }
}

/**
 * Code in the worker may have closed the number itself. The number may then be that of another file, which is not the
 * host's to close.
 */
const closeOnce = async ({ dev, fd, ino }: Opened): Promise<void> => {
  const now = await statOf(fd).catch(() => undefined)
  if (now?.dev === dev && now.ino === ino) return closeFile(fd)
  throw new Error(`File descriptor ${fd} was closed by other code, so it was not closed again. Let the host close it.`)
}
