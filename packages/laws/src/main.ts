/**
 * Tries the laws, compares the adapters with the model, and prints a table, law by adapter:
 *
 *     pnpm laws [--quick] [--adapter fibers|workers|plain|processes|cluster|cluster-processes] [--law NAME] [--programs N] [--seed N] [--json FILE]
 *
 * A cluster also has laws of its own, about machines that die, freeze, join and leave (`simulated/laws.ts`). Their programs are
 * scenarios of a simulated cluster. Workers and plain functions also have the laws of pools (`pools/laws.ts`), about drains,
 * priorities and leases. Those of plain functions run on full and on light pools.
 *
 * Each row is a search among the programs of one law, whose runs are checked by all laws that know every program. With
 * `--quick` all rows take a few minutes, with as many programs as in the tests. Without it, a law takes about a million runs
 * on fibers, 10,000 to 14,000 on workers and on plain functions, 6,000 at two runner processes of a cluster, and 450 on processes. Two laws on fibers took 65 seconds
 * each, side by side on two cores. Laws with chains of 2,500 threads or with killed workers take many minutes, and all of
 * the table takes hours: run it law by law, with `--adapter` and `--law`. Exits with 1 after a counterexample, which is
 * printed with the command that repeats it.
 */
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Search from "@quiesce/testing/laws/Search"
import * as PoolSearch from "./pools/poolSearch.ts"
import * as ClusterSearch from "./simulated/clusterSearch.ts"
import * as Trial from "./Trial.ts"

const refuse = (problem: string): never => {
  console.error(
    `${problem}\npnpm laws [--quick] [--adapter fibers|workers|plain|processes|cluster|cluster-processes] [--law NAME] [--programs N] [--seed N] [--json FILE]`
  )
  process.exit(2)
}

const asked = (): Trial.Asked & { readonly json?: string | undefined } => {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        adapter: { type: "string" },
        law: { type: "string" },
        programs: { type: "string" },
        seed: { type: "string" },
        json: { type: "string" }
      }
    })
    return values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

const values = asked()
for (const [name, value] of Object.entries({ programs: values.programs, seed: values.seed })) {
  if (value !== undefined && !/^\d+$/.test(value)) refuse(`--${name} ${value} is not a number.`)
}
const trials = Trial.select(values)
if (trials.length === 0) {
  const all = [...new Set(Trial.select({}).map(({ law }) => law))].join(", ")
  refuse(
    `No law of that name applies to an adapter of that name. There are ${Trial.adapters.join(", ")}, and the laws ${all}.`
  )
}

const columns = (...cells: ReadonlyArray<string | number>): string =>
  cells.map((cell, index) => (index < 2 ? String(cell).padEnd(24) : String(cell).padStart(12))).join("")

console.log(`${columns("law", "adapter", "programs", "cuts", "counterexs")}     seconds`)
const findings: Array<Trial.Result["finding"]> = []

const render = (finding: Trial.Result["finding"]): string => {
  if ("whole" in finding) return Search.render(finding)
  return finding.adapter === "cluster" ? ClusterSearch.render(finding) : PoolSearch.render(finding)
}

await Trial.runAll(trials, ({ finding, seconds }) => {
  const { adapter, counterexample, cuts, law, programs } = finding
  findings.push(finding)
  const progress = `${seconds.toFixed(1).padStart(12)}  (${findings.length} of ${trials.length})`
  console.log(columns(law, adapter, programs, cuts, counterexample === undefined ? 0 : 1) + progress)
})

const broken = findings.filter(({ counterexample }) => counterexample !== undefined)
for (const finding of broken) console.log(`\n${render(finding)}`)
// The table has no column for undecided runs.
for (const finding of findings) if (finding.law === "model" && !broken.includes(finding)) console.log(render(finding))
console.log(`${findings.length} searches, ${broken.length} laws broken, on Node ${process.version}`)
if (values.json !== undefined) {
  const list = findings.map(({ adapter, counterexample, cuts, law, programs }) => ({
    law,
    adapter,
    programs,
    cuts,
    counterexamples: counterexample === undefined ? 0 : 1
  }))
  writeFileSync(values.json, `${JSON.stringify(list, null, 2)}\n`)
}
process.exitCode = broken.length === 0 ? 0 : 1
