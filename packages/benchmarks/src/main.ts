/**
 * Runs all comparisons and prints one line for each: `pnpm bench [--only TEXT] [--json FILE]`.
 *
 * Exits with 1 when a target is missed. The figures are of the machine; the ratios are the claim.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Comparison from "./Comparison.ts"
import * as Fibers from "./core/fibers.ts"
import * as Groups from "./core/groups.ts"
import * as Signals from "./core/signals.ts"
import * as Cancels from "./workers/cancel.ts"
import * as Dispatches from "./workers/dispatch.ts"

const { values } = parseArgs({ options: { json: { type: "string" }, only: { type: "string", default: "" } } })

const outcomes: Array<Comparison.Outcome> = []
const all = [Fibers, Signals, Groups, Cancels, Dispatches].flatMap(({ comparisons }) => comparisons)
for (const comparison of all) {
  if (!comparison.id.includes(values.only)) continue
  const { id, ratio, target, holds, ours, peer, unit, direction } = await Comparison.run(comparison)
  console.log(
    `${holds ? "holds " : "MISSED"} ${id.padEnd(42)} ${ratio.toFixed(2).padStart(6)} (${direction} ${target})  ` +
      `${ours.toFixed(1)} against ${peer.toFixed(1)} ${unit}`
  )
  outcomes.push({ id, ratio, target, holds })
}

const missed = outcomes.filter((outcome) => !outcome.holds).length
console.log(`${outcomes.length} targets, ${missed} missed, on Node ${process.version}`)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(outcomes, null, 2)}\n`)
process.exitCode = missed === 0 ? 0 : 1
