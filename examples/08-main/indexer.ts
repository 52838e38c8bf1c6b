/** The child process: watches over the folder of the pages until it is asked to end. */
import { readdirSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { Main } from "@quiesce/process"

const folder = process.argv[2]!
const signal = Main.abortSignal()
console.log("ready")
while (!signal.aborted) await setTimeout(100, undefined, { signal }).catch(() => {})
console.log(`asked to end, ${readdirSync(folder).length > 0 ? "has pages" : "has no pages"}`)
process.exitCode = 0
signal[Symbol.dispose]()
