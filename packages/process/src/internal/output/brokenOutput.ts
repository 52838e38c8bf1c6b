/**
 * Notices that stdout or stderr can't be written, for example because their reader has gone away.
 *
 * Without a listener, each failed write would be an uncaught exception, and the report of the exception would be a write to
 * the same stream.
 */

/** The way in which an output is broken. */
export type Broken =
  /** The reader of a pipe has gone away. */
  | { readonly _tag: "ReaderGone" }
  /** The terminal was closed. */
  | { readonly _tag: "TerminalGone" }
  | { readonly _tag: "Failed"; readonly output: "stdout" | "stderr"; readonly error: NodeJS.ErrnoException }

/** The signals that end other programs then. */
export const signals = { ReaderGone: "SIGPIPE", TerminalGone: "SIGHUP" } as const

let endLast = (): void => {}

/**
 * Calls `broken` at the first error of each stream, unless the program has a listener of its own. The result ends the
 * watch. A new watch ends the one before.
 */
export const watch = (broken: (how: Broken) => void): (() => void) => {
  endLast()
  const ends = (["stdout", "stderr"] as const).map((output) => {
    const stream = process[output]
    let isFirst = true
    const listener = (error: NodeJS.ErrnoException): void => {
      if (!isFirst || stream.listenerCount("error") > 1) return
      isFirst = false
      broken(brokenBy(error, output))
    }
    stream.on("error", listener)
    return () => stream.off("error", listener)
  })
  endLast = () => {
    for (const end of ends) end()
  }
  return endLast
}

const brokenBy = (error: NodeJS.ErrnoException, output: "stdout" | "stderr"): Broken => {
  if (error.code === "EPIPE") return { _tag: "ReaderGone" }
  // A file with this error is on a broken disk.
  return error.code === "EIO" && process[output].isTTY ? { _tag: "TerminalGone" } : { _tag: "Failed", output, error }
}
