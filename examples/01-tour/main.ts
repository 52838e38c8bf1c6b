/**
 * The tour: ten ways in which a thread can end, on real files and a real database. None of them leaves anything behind.
 *
 *     pnpm start                               all scenes
 *     node examples/01-tour/main.ts --leak     the same with one planted leak, which the tour notices
 *
 * For each scene the tour prints the request to a thread, the rung on which the thread ended, the time, and the numbers of
 * resources: acquired, released by their own release, and left behind. It draws a picture of all its threads into a new
 * folder for temporary files, and prints where. The exit code is 1 if a resource is left or a
 * check has failed. Ctrl-C ends the tour early, and everything is released then, too. A third Ctrl-C ends the process.
 */
import { parseArgs } from "node:util"
import { Main } from "@quiesce/process"
import { Effect } from "effect"
import { tour } from "./tour.ts"

const { values } = parseArgs({ options: { leak: { type: "boolean", default: false } } })

const signal = Main.abortSignal()
const { left, sound } = await Effect.runPromise(tour({ signal, leak: values.leak }))
if (left > 0 || !sound) process.exitCode ??= 1
signal[Symbol.dispose]()
