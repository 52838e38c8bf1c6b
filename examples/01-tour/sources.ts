/** The real input: the source files of the installed packages, and the facts that are read out of a file. */
import { hash } from "node:crypto"
import { readdirSync, statSync } from "node:fs"
import type { Dirent } from "node:fs"
import { open } from "node:fs/promises"
import type { FileHandle } from "node:fs/promises"
import { basename, join } from "node:path"
import { Abort, Lease } from "@quiesce/core"
import { Effect } from "effect"
import type { Scope } from "effect"

/** The folder of the packages. The folders beside it are caches of tools and change at any time. */
const installed = join(import.meta.dirname, "../../node_modules/.pnpm")

/** Larger files are left out, so that no single file delays the others. In bytes. */
const largest = 128 * 1024

/** The paths of the installed `.ts` and `.js` files, in a stable order. */
export const survey: Effect.Effect<ReadonlyArray<string>> = Effect.sync(() =>
  filesBelow(installed)
    .filter((path) => /\.[jt]s$/.test(path))
    .filter((path) => (statSync(path, { throwIfNoEntry: false })?.size ?? Infinity) <= largest)
    .toSorted()
)

/** The files below a folder, without links. A folder that was removed meanwhile has none. */
const filesBelow = (folder: string): ReadonlyArray<string> =>
  entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })

const entriesOf = (folder: string): ReadonlyArray<Dirent> => {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return []
    throw error
  }
}

/** The facts about a file. */
export interface Facts {
  readonly path: string
  readonly bytes: number
  readonly lines: number
  readonly tokens: number
  readonly sha256: string
}

/** Opens a file. The file is closed with its scope. */
export const openFile = (path: string, flags = "r"): Effect.Effect<FileHandle, never, Scope.Scope> =>
  Lease.acquire({
    name: basename(path),
    acquire: Effect.promise(() => open(path, flags)),
    release: (handle) => Effect.promise(() => handle.close())
  })

/** Opens, reads and closes a file. After an interrupt the file is closed only when the read has settled. */
export const readFacts = (path: string): Effect.Effect<Facts> =>
  Effect.scoped(
    Effect.gen(function* () {
      const handle = yield* openFile(path)
      const content = yield* Abort.promise((signal) => handle.readFile({ signal })).pipe(
        Effect.catchTag("UnknownError", Effect.die)
      )
      const text = content.toString()
      return {
        path,
        bytes: content.length,
        lines: text.split("\n").length,
        tokens: text.match(/[\p{L}_$][\p{L}\p{N}_$]*|\p{N}+|[^\s\p{L}\p{N}]/gu)?.length ?? 0,
        sha256: hash("sha256", content)
      }
    })
  )
