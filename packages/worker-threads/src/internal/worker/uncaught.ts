/**
 * Ends the worker after an uncaught value that the host might not survive.
 *
 * Node clones an uncaught value to the host and reads the clone there. A value that is nested too deep for the host's
 * stack, which is smaller than a worker's, makes Node throw in the host, where nobody can catch the error. The value is
 * therefore sent as text.
 */
import { hasAtMost } from "@quiesce/core/internal/plain"
import type { MessagePort } from "node:worker_threads"
import type { ToHost } from "../wire/message.ts"

/** Values with more parts or levels are sent as text. */
const parts = 100_000
const depth = 200

/** `textOf` gives the text of such a value, and does not throw. */
export const guardUncaught = (port: MessagePort, textOf: (thrown: unknown) => string): void => {
  process.on("uncaughtExceptionMonitor", (thrown: unknown) => {
    // The worker handles uncaught values itself.
    if (process.listenerCount("uncaughtException") > 0 || process.hasUncaughtExceptionCaptureCallback()) return
    if (hasAtMost(thrown, parts, depth)) return
    const failed: ToHost = { _tag: "Failed", problem: textOf(thrown) }
    port.postMessage([failed])
    process.exit(1)
  })
}
