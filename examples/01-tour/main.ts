/**
 * The tour: the ways in which a thread can end, on real files and a real database, and nothing left behind by any.
 *
 *     pnpm start                               all scenes
 *     node examples/01-tour/main.ts --leak     the same with one leak planted, to see that it would be noticed
 *
 * For each scene it prints what was asked of a thread, the rung on which it ended, the milliseconds that it took, and
 * how much was acquired and released. The exit code is 1 when anything is left or was not as it should be. Ctrl-C ends
 * the tour early, and everything is released then, too.
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
  controller.abort(CancelReason.toError(CancelReason.shutdown(`Received ${signal}`, signal)))
  process.exitCode = 128 + constants.signals[signal]
}
for (const signal of signals) process.once(signal, cancel)

const { left, sound } = await Effect.runPromise(tour({ signal: controller.signal, leak: values.leak }))
if (left > 0 || !sound) process.exitCode ??= 1
