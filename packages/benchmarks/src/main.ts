/**
 * Runs all comparisons and prints one line for each: `pnpm bench [--only TEXT] [--json FILE]`.
 *
 * Each comparison runs in a process of its own, so that no code is optimized for another comparison. Exits with 1 if a
 * target is missed. The figures depend on the machine; the ratios are the claim.
 */
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Comparison from "./Comparison.ts"
import * as Clusters from "./cluster/clusters.ts"
import * as Fibers from "./core/fibers.ts"
import * as Groups from "./core/groups.ts"
import * as Sections from "./core/sections.ts"
import * as Signals from "./core/signals.ts"
import * as PlainFunctions from "./plain/functions.ts"
import * as Looks from "./process/look.ts"
import * as Cancels from "./workers/cancel.ts"
import * as Dispatches from "./workers/dispatch.ts"
import * as Queues from "./workers/queue.ts"
import * as Starts from "./workers/start.ts"
import * as Tokens from "./workers/tokens.ts"

const { values } = parseArgs({
  options: { json: { type: "string" }, only: { type: "string", default: "" }, here: { type: "string" } }
})
const all = [
  Fibers,
  Sections,
  Signals,
  Groups,
  Cancels,
  Queues,
  Dispatches,
  Starts,
  Tokens,
  PlainFunctions,
  Looks,
  Clusters
].flatMap(({ comparisons }) => comparisons)

const here = all.find(({ id }) => id === values.here)
if (here !== undefined) {
  console.log(JSON.stringify(await Comparison.run(here)))
  process.exit()
}

/** The result of a comparison, from the last line of its process. */
const resultOf = (id: string): Comparison.Result => {
  const { error, status, stdout } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--here", id], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (error !== undefined || status !== 0) throw new Error(`${id} ended with ${status}`, { cause: error })
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as Comparison.Result
}

const outcomes: Array<Comparison.Outcome> = []
for (const comparison of all) {
  if (!comparison.id.includes(values.only)) continue
  const { id, ratio, target, holds, ours, peer, unit, direction } = resultOf(comparison.id)
  const verdict = target === null ? "info  " : holds ? "holds " : "MISSED"
  console.log(
    `${verdict} ${id.padEnd(42)} ${ratio.toFixed(2).padStart(6)} (${target === null ? "no target" : `${direction} ${target}`})  ` +
      `${ours.toFixed(1)} against ${peer.toFixed(1)} ${unit}`
  )
  outcomes.push({ id, ratio, target, holds })
}

const targets = outcomes.filter((outcome) => outcome.target !== null).length
const missed = outcomes.filter((outcome) => !outcome.holds).length
console.log(`${targets} targets, ${missed} missed, on Node ${process.version}`)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(outcomes, null, 2)}\n`)
process.exitCode = missed === 0 ? 0 : 1
