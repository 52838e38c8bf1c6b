/** What descriptors lead to, where the system lists them. */
import { readdirSync, readlinkSync } from "node:fs"

const directory = "/proc/self/fd"

/** A descriptor in words. */
export const linkOf = (fd: number): string => {
  const path = readLink(fd)
  return path === undefined ? `descriptor ${fd}` : `descriptor ${fd} of ${path}`
}

/** What a descriptor leads to. */
export const readLink = (fd: number | string): string | undefined => {
  try {
    return readlinkSync(`${directory}/${fd}`)
  } catch {
    // It has been closed, or this system has no such list.
    return undefined
  }
}

/** The descriptors of the process that lead to a path; none where they can't be had. */
export const links = (): ReadonlyMap<number, string> => {
  const found = new Map<number, string>()
  for (const fd of names()) {
    const path = readLink(fd)
    // Sockets, pipes and what the event loop needs for itself are the handles'.
    if (path?.startsWith("/") === true) found.set(Number(fd), path)
  }
  return found
}

const names = (): ReadonlyArray<string> => {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
