/**
 * Runs a scenario on a light pool, in a process that has loaded no part of Effect: `light-main.ts SCENARIO PATIENCE [FAULT]`.
 * Prints the trace.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Task from "@quiesce/worker-threads/Task"
import { isLightFault, plantLight } from "./plantedLight.ts"
import { perform } from "./poolRun.ts"
import type { PoolScenario } from "./scenario.ts"
import type * as Work from "./work.ts"
import { prefixOf, wordsOf } from "./work.ts"

const [given, patience, fault] = process.argv.slice(2)
// The search writes it.
const scenario = JSON.parse(given!) as PoolScenario
const folders = mkdtempSync(join(tmpdir(), "quiesce-laws-"))
// The leases of the calls are here.
process.env["TMPDIR"] = folders
if (isLightFault(fault)) plantLight()
if (Symbol.for("~@quiesce/core") in globalThis)
  throw new Error("Core is loaded, so that the pool would be no light one.")

const pool = Task.createTaskPool<typeof Work>(new URL("./work.ts", import.meta.url), {
  size: scenario.workers,
  concurrency: scenario.concurrency
})
try {
  const trace = await perform(
    {
      run: pool.run,
      drain: pool.drain,
      close: async () => pool[Symbol.asyncDispose](),
      leases: (cells, n) => {
        const acquired = cells[wordsOf(n).leases]!
        const kept = readdirSync(folders).filter((name) => name.startsWith(prefixOf(n))).length
        return { acquired, released: acquired - kept }
      }
    },
    scenario,
    Number(patience)
  )
  console.log(JSON.stringify(trace))
} finally {
  rmSync(folders, { recursive: true, force: true })
}
// A lost call would keep the process alive.
process.exit()
