/**
 * An AbortSignal ends a busy loop in a worker. The cleanup of the loop's task runs, and the worker lives on: the last
 * call reaches the same worker, where the counter has survived.
 *
 *     node examples/07-busy-loop/main.ts
 *     node examples/07-busy-loop/piscina/main.ts     the same with piscina
 */
import { existsSync } from "node:fs"
import { Task } from "@quiesce/worker-threads"

type Draft = typeof import("./draft.ts")
const draft = new URL("./draft.ts", import.meta.url)
console.log(`calls in this worker: ${await Task.runTask<Draft>(draft)}`)
const signal = AbortSignal.timeout(500)
await Task.runTask<Draft>(draft, "draft.txt", { signal }).catch((reason: Error) => console.log(`ended: ${reason.name}`))
console.log(`draft.txt is left behind: ${existsSync("draft.txt")}`)
console.log(`calls in this worker: ${await Task.runTask<Draft>(draft)}`)
