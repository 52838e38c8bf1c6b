/**
 * The busy loop with piscina: an abort kills the worker, no cleanup runs, and the last call reaches a new worker.
 *
 *     node examples/07-busy-loop/piscina/main.ts
 */
import { existsSync, rmSync } from "node:fs"
import { Piscina } from "piscina"

const pool = new Piscina({ filename: new URL("./draft.ts", import.meta.url).href, maxThreads: 1 })
console.log(`calls in this worker: ${await pool.run(undefined)}`)
const signal = AbortSignal.timeout(500)
await pool.run("draft.txt", { signal }).catch((reason: Error) => console.log(`ended: ${reason.name}`))
console.log(`draft.txt is left behind: ${existsSync("draft.txt")}`)
console.log(`calls in this worker: ${await pool.run(undefined)}`)
await pool.close()
rmSync("draft.txt")
