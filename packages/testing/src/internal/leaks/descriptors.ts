/**
 * File descriptors that were opened with one of Node's `open` functions, and descriptors that appear in the list of the
 * process.
 *
 * Invariants:
 * 1. `opened` has, for each number of a descriptor, the file opened last since the first watch began.
 * 2. Each file handle that was opened during a watch is in `unclosed` until the handle is closed, also after the watch.
 *    Node 26 throws an uncaught error when it collects an open handle. The process would die before the test runner has
 *    printed the report of the leak.
 */
import fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { linkOf, readLink } from "./descriptorLinks.ts"
import { Origin } from "./origin.ts"
import { running } from "./resources.ts"
import { report, type TrackedResource } from "./tracker.ts"

const opened = new Map<number, TrackedResource>()

/** Identifies the open file; undefined for a closed descriptor. */
const identity = (fd: number): string | undefined => {
  try {
    const { dev, ino } = fs.fstatSync(fd, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

const track = (fd: number, origin: Origin): void => {
  const file = identity(fd)
  const resource: TrackedResource = {
    kind: "descriptor",
    isThere: () => opened.get(fd) === resource && identity(fd) === file,
    what: () => linkOf(fd),
    unref: () => false,
    madeAt: () => origin.frames
  }
  opened.set(fd, resource)
  report(resource)
}

interface Originals {
  readonly open: typeof fs.open
  readonly openSync: typeof fs.openSync
  readonly openHandle: typeof fs.promises.open
}

/** Kept after `uninstall`, because code that has wrapped a patched function goes on to call the patch. */
let original: Originals | undefined

const openSync = (...args: Parameters<typeof fs.openSync>): number => {
  const fd = original!.openSync(...args)
  track(fd, new Origin(running()))
  return fd
}

type Opened = (error: NodeJS.ErrnoException | null, fd: number) => void

/** The callback is the last argument, also where optional arguments are missing. */
const open = (...args: Array<unknown>): void => {
  const done = args.at(-1)
  const origin = new Origin(running())
  const rest = typeof done === "function" ? args.slice(0, -1) : args
  const tracking: Opened = (error, fd) => {
    if (error === null) track(fd, origin)
    // Node has checked that the last argument is a callback.
    ;(done as Opened)(error, fd)
  }
  // The arguments fit one of the overloads; otherwise Node throws.
  ;(original!.open as (...args: ReadonlyArray<unknown>) => void)(...rest, typeof done === "function" ? tracking : done)
}

const unclosed = new Set<fs.promises.FileHandle>()
const sweepFrom = 100
let sweepAt = sweepFrom

const keep = (handle: fs.promises.FileHandle): void => {
  unclosed.add(handle)
  if (unclosed.size < sweepAt) return
  // A closed handle has no descriptor.
  for (const known of unclosed) if (known.fd === -1) unclosed.delete(known)
  sweepAt = Math.max(sweepFrom, 2 * unclosed.size)
}

const openHandle = async (...args: Parameters<typeof fs.promises.open>): Promise<fs.promises.FileHandle> => {
  const origin = new Origin(running())
  const handle = await original!.openHandle(...args)
  keep(handle)
  track(handle.fd, origin)
  return handle
}

// The patch takes the arguments of every overload of the original.
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

/** The descriptors that were opened between two listings and not through Node's `open` functions in this thread. */
export const appeared = (
  before: ReadonlyMap<number, string>,
  after: ReadonlyMap<number, string>
): ReadonlyArray<TrackedResource> =>
  [...after]
    // From its first stream on, the event loop keeps a spare descriptor on /dev/null.
    .filter(([fd, path]) => path !== "/dev/null" && before.get(fd) !== path && !opened.has(fd))
    .map(([fd, path]) => ({
      kind: "descriptor",
      isThere: () => readLink(fd) === path && !opened.has(fd),
      what: () => linkOf(fd),
      unref: () => false,
      madeAt: () => []
    }))
