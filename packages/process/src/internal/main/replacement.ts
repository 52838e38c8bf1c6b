/**
 * An exit that waits for no worker.
 *
 * `process.exit` waits for the threads of all workers. Native code in a worker can't be ended. A loop of `JSON.parse` went on
 * for 15 seconds after the call on Node 26, and for more than 57 seconds on Node 22. Therefore a shell takes the place of the
 * process, which ends all threads at once, and exits with the code. The process keeps its number, so its parent sees the exit
 * of the program. A worker that is busy below an idle worker is not noticed.
 */
import { accessSync, constants } from "node:fs"
import { LiveWorkers } from "./liveWorkers.ts"

const shell = "/bin/sh"

/** Node writes these files at its own exit only. */
const writesAtExit = /^--(cpu|heap)-prof\b|^--trace-event|^--prof\b/

/** Whether a shell can take the place of this process, without the loss of a file that Node writes at the exit. */
const isPossible = (): boolean => {
  if (process.execve === undefined || process.env["NODE_V8_COVERAGE"] !== undefined) return false
  const flags = [...process.execArgv, ...(process.env["NODE_OPTIONS"] ?? "").split(" ")]
  if (flags.some((flag) => writesAtExit.test(flag))) return false
  try {
    accessSync(shell, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** All since this module was loaded, because a pool is often made before the program starts. */
const workers = new LiveWorkers()

let isPrepared = false

/** Lets the exit of the process wait for no busy worker, where that is possible. */
export const prepare = (): void => {
  if (isPrepared) return
  isPrepared = true
  const leave = (code: number): void => {
    if (!workers.isBusy || !isPossible()) return
    const listeners = process.rawListeners("exit")
    // The others must run before.
    for (const listener of listeners.slice(listeners.indexOf(leave) + 1)) listener.call(process, code)
    const { stdin } = process
    if (stdin.isTTY && stdin.isRaw) stdin.setRawMode(false)
    // A listener may have changed the code. A process has the last byte of its code.
    const last = Number(process.exitCode ?? code) & 0xff
    try {
      process.execve?.(shell, ["sh", "-c", `exit ${last}`], {})
    } catch {
      // The exit goes on, and waits for the workers.
    }
  }
  process.on("exit", leave)
}
