/**
 * Notices that stdout or stderr can't be written, for example because their reader has gone away.
 *
 * Without a listener, each failed write would be an uncaught exception, and the report of the exception would be a write to
 * the same stream.
 */

/** Calls `failed` at the first error of each stream, unless the program has a listener of its own. The result ends the watch. */
export const watch = (failed: (error: NodeJS.ErrnoException) => void): (() => void) => {
  const ends = [process.stdout, process.stderr].map((stream) => {
    let isFirst = true
    const listener = (error: NodeJS.ErrnoException): void => {
      if (!isFirst || stream.listenerCount("error") > 1) return
      isFirst = false
      failed(error)
    }
    stream.on("error", listener)
    return () => stream.off("error", listener)
  })
  return () => {
    for (const end of ends) end()
  }
}
