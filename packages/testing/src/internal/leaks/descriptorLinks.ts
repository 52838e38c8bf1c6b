/** The paths of file descriptors, on systems with a list of them in /proc. */
import { readdirSync, readlinkSync } from "node:fs"

const directory = "/proc/self/fd"

/** A descriptor in words. */
export const linkOf = (fd: number): string => {
  const path = readLink(fd)
  return path === undefined ? `descriptor ${fd}` : `descriptor ${fd} of ${path}`
}

/** The path of a descriptor. */
export const readLink = (fd: number | string): string | undefined => {
  try {
    return readlinkSync(`${directory}/${fd}`)
  } catch {
    // The descriptor is closed, or the system has no list.
    return undefined
  }
}

/** The descriptors of the process with an absolute path; none on systems without a list. */
export const links = (): ReadonlyMap<number, string> => {
  const found = new Map<number, string>()
  for (const fd of names()) {
    const path = readLink(fd)
    // Sockets, pipes and the event loop's own descriptors are reported as handles.
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
