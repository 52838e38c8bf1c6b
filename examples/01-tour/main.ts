/**
 * The tour: ten ways in which a thread can end, on real files and a real database. None of them leaves anything behind.
 *
 *     pnpm start                               all scenes
 *     node examples/01-tour/main.ts --leak     the same with one planted leak, which the tour notices
 *
 * For each scene the tour prints the request to a thread, the rung on which the thread ended, the time, and the numbers of
 * resources: acquired, released by their own release, and left behind. The exit code is 1 if a resource is left or a
 * check has failed. Ctrl-C ends the tour early, and everything is released then, too.
 */
import { constants } from "node:os"
import { parseArgs } from "node:util"
import { CancelReason } from "@quiesce/core"
import { Effect } from "effect"
import { tour } from "./tour.ts"

const { values } = parseArgs({ options: { leak: { type: "boolean", default: false } } })

const controller = new AbortController()
const signals = ["SIGINT", "SIGTERM"] as const
const cancel = (signal: (typeof signals)[number]) => {
  controller.abort(CancelReason.toError(CancelReason.shutdown({ message: `Received ${signal}`, signal })))
  process.exitCode = 128 + constants.signals[signal]
}
for (const signal of signals) process.once(signal, cancel)

const { left, sound } = await Effect.runPromise(tour({ signal: controller.signal, leak: values.leak }))
if (left > 0 || !sound) process.exitCode ??= 1
