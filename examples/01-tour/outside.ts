/** The tour seen from outside: what the operating system and Node say, whatever the ledger has counted. */
import { existsSync, readdirSync, readlinkSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"

/** The open file descriptors with what they stand for, and what keeps the event loop busy. */
export interface Handles {
  readonly descriptors: ReadonlyMap<string, string>
  readonly resources: ReadonlyArray<string>
}

/** Where the system lists a process's own descriptors, if it does. */
const listing = ["/proc/self/fd", "/dev/fd"].find((path) => existsSync(path))

export const lookAtHandles = (): Handles => {
  const descriptors = new Map<string, string>()
  for (const descriptor of listing === undefined ? [] : readdirSync(listing)) {
    const target = targetOf(`${listing}/${descriptor}`)
    if (target !== undefined) descriptors.set(descriptor, target)
  }
  return { descriptors, resources: process.getActiveResourcesInfo() }
}

/** Undefined for the descriptor through which the listing itself was read. */
const targetOf = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch (error) {
    // A system whose listing holds no links names no targets.
    return (error as NodeJS.ErrnoException).code === "EINVAL" ? "?" : undefined
  }
}

/** Whether the descriptors of this process can be counted. */
export const canList: boolean = listing !== undefined

/** How many descriptors are open on files whose paths begin so; none where they can't be counted. */
export const openBelow = (path: string): number =>
  [...lookAtHandles().descriptors.values()].filter((target) => target.startsWith(path)).length

/** What is there now and was not there before. */
export const newHandles = (before: Handles, now: Handles): ReadonlyArray<string> => {
  const known = [...before.resources]
  return [
    ...[...now.descriptors]
      .filter(([descriptor, target]) => before.descriptors.get(descriptor) !== target)
      .map(([descriptor, target]) => `file descriptor ${descriptor}, open on ${target}`),
    ...now.resources.filter((resource) => {
      const at = known.indexOf(resource)
      if (at >= 0) known.splice(at, 1)
      return at < 0
    })
  ]
}

/** What a connection of its own finds in the database: rows by scene, and SQLite's word on its integrity. */
export const lookAtDatabase = (
  path: string
): { readonly rows: ReadonlyMap<string, number>; readonly sound: boolean } => {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const rows = database.prepare("SELECT scene, count(*) AS rows FROM files GROUP BY scene").all()
    const check = database.prepare("PRAGMA integrity_check").get()
    return {
      rows: new Map(rows.map((row) => [String(row["scene"]), Number(row["rows"])])),
      sound: check?.["integrity_check"] === "ok"
    }
  } finally {
    database.close()
  }
}

/** The names in a folder, none when it is gone. */
export const lookAtFolder = (path: string): ReadonlyArray<string> => (existsSync(path) ? readdirSync(path) : [])
