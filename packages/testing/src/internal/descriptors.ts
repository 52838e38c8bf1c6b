/**
 * File descriptors that were opened with one of Node's `open` functions, and those that appear in the process's list.
 *
 * Invariant: `opened` has, for each descriptor, what was opened last under that number since somebody watches.
 */
import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { linkOf, readLink } from "./link.ts"
import { type Made, tell } from "./made.ts"
import { Origin } from "./origin.ts"
import { running } from "./resources.ts"

const opened = new Map<number, Made>()

/** Which file it is; undefined when the descriptor is closed. */
const identity = (fd: number): string | undefined => {
  try {
    const { dev, ino } = fs.fstatSync(fd, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

const note = (fd: number, origin: Origin): void => {
  const file = identity(fd)
  const made: Made = {
    kind: "descriptor",
    isThere: () => opened.get(fd) === made && identity(fd) === file,
    what: () => linkOf(fd),
    unref: () => false,
    madeAt: () => origin.frames
  }
  opened.set(fd, made)
  tell(made)
}

interface Originals {
  readonly open: typeof fs.open
  readonly openSync: typeof fs.openSync
  readonly openHandle: typeof fs.promises.open
}

/** Kept after the end, as those who have put something over what is patched go on to call it. */
let original: Originals | undefined

const openSync = (...args: Parameters<typeof fs.openSync>): number => {
  const fd = original!.openSync(...args)
  note(fd, new Origin(running()))
  return fd
}

type Opened = (error: NodeJS.ErrnoException | null, fd: number) => void

/** The callback is the last argument, whichever were left out. */
const open = (...args: Array<unknown>): void => {
  const done = args.at(-1)
  const origin = new Origin(running())
  const rest = typeof done === "function" ? args.slice(0, -1) : args
  const noted: Opened = (error, fd) => {
    if (error === null) note(fd, origin)
    // Node has seen to it that it is one.
    ;(done as Opened)(error, fd)
  }
  // One of the overloads, or Node says what is wrong with it.
  ;(original!.open as (...args: ReadonlyArray<unknown>) => void)(...rest, typeof done === "function" ? noted : done)
}

const openHandle = async (...args: Parameters<typeof fs.promises.open>): Promise<fs.promises.FileHandle> => {
  const origin = new Origin(running())
  const handle = await original!.openHandle(...args)
  note(handle.fd, origin)
  return handle
}

// It takes whatever the overloads of the original do.
const patchedOpen = Object.assign(open as typeof fs.open, { __promisify__: fs.open.__promisify__ })

export const install = (): void => {
  original = { open: fs.open, openSync: fs.openSync, openHandle: fs.promises.open }
  fs.open = patchedOpen
  fs.openSync = openSync
  fs.promises.open = openHandle
  syncBuiltinESMExports()
}

export const uninstall = (): void => {
  if (fs.open === patchedOpen) fs.open = original!.open
  if (fs.openSync === openSync) fs.openSync = original!.openSync
  if (fs.promises.open === openHandle) fs.promises.open = original!.openHandle
  syncBuiltinESMExports()
  opened.clear()
}

/** Those that were opened between two looks, by whatever this thread did not see. */
export const appeared = (
  before: ReadonlyMap<number, string>,
  after: ReadonlyMap<number, string>
): ReadonlyArray<Made> =>
  [...after]
    // The event loop keeps one on /dev/null from its first stream on, for when there are no more descriptors.
    .filter(([fd, path]) => path !== "/dev/null" && before.get(fd) !== path && !opened.has(fd))
    .map(([fd, path]) => ({
      kind: "descriptor",
      isThere: () => readLink(fd) === path && !opened.has(fd),
      what: () => linkOf(fd),
      unref: () => false,
      madeAt: () => []
    }))
