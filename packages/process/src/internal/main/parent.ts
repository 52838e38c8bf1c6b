/**
 * Notices the end of the parent process.
 *
 * A wrapper such as `npm run` ends at a SIGTERM and does not pass it on. The system then gives the orphan another parent.
 * Windows keeps the number of the ended parent, so there the parent is looked for.
 */

const pause = 500

/** Calls `ended` once when the process has lost its parent. The result ends the watch. */
export const watch = (ended: () => void): (() => void) => {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (isAlive(parent)) return
    clearInterval(timer)
    ended()
  }, pause)
  timer.unref()
  return () => clearInterval(timer)
}

const isAlive = (parent: number): boolean => {
  if (process.platform !== "win32") return process.ppid === parent
  try {
    process.kill(parent, 0)
    return true
  } catch (error) {
    // Any other error means that the process is there.
    return (error as NodeJS.ErrnoException).code !== "ESRCH"
  }
}
