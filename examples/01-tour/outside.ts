/** The tour as the operating system and Node see it, independent of the counts of Quiesce. */
import { existsSync, readdirSync, readlinkSync } from "node:fs"
import { DatabaseSync } from "node:sqlite"

/** The open file descriptors with their targets, and the resources that keep the event loop busy. */
export interface Handles {
  readonly descriptors: ReadonlyMap<string, string>
  readonly resources: ReadonlyArray<string>
}

/** The folder in which the system lists the descriptors of this process, if there is one. */
const listing = ["/proc/self/fd", "/dev/fd"].find((path) => existsSync(path))

export const lookAtHandles = (): Handles => {
  const descriptors = new Map<string, string>()
  for (const descriptor of listing === undefined ? [] : readdirSync(listing)) {
    const target = targetOf(`${listing}/${descriptor}`)
    if (target !== undefined) descriptors.set(descriptor, target)
  }
  return { descriptors, resources: process.getActiveResourcesInfo() }
}

/** Undefined for the descriptor of the listing itself. */
const targetOf = (path: string): string | undefined => {
  try {
    return readlinkSync(path)
  } catch (error) {
    // If the listing holds no links, the system names no targets.
    return (error as NodeJS.ErrnoException).code === "EINVAL" ? "?" : undefined
  }
}

/** Whether the descriptors of this process can be counted. */
export const canList: boolean = listing !== undefined

/** The number of descriptors that are open on files below `path`; 0 if the descriptors can't be counted. */
export const openBelow = (path: string): number =>
  [...lookAtHandles().descriptors.values()].filter((target) => target.startsWith(path)).length

/** The handles of `now` that are not in `before`. */
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

/** Reads the database by a new connection: the rows of each scene, and the result of SQLite's integrity check. */
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

/** The names in a folder; none if the folder is gone. */
export const lookAtFolder = (path: string): ReadonlyArray<string> => (existsSync(path) ? readdirSync(path) : [])
