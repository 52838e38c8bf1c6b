/**
 * Ends 10,000 tasks of one worker by force, and then 10,000 calls of one worker of plain functions, on each version of
 * Node: `pnpm soak [COUNT] [--plain | --contract] [--node MAJOR] [--leak host|worker|native]`.
 *
 * One line for each version has the number of ended tasks and their costs. Exits with 1 on any finding: a process that
 * aborts, a finalizer missed, repeated or out of order, a co-tenant that misses a beat, memory that grows.
 *
 * The memory is measured after collections of the last resort, which free the spare pages of the engine. After ordinary
 * collections, a process on Node 26 has 230 MB resident after 1,000 unwinds and 310 MB after 10,000. Of the difference,
 * 60 MB are the young generations of the host and the worker, which the engine enlarges: 29 to 54 MB and 30 to 65 MB,
 * with 4 MB and 0 MB in use. From 8,000 to 100,000 unwinds the resident memory rises from 310 to 314 MB, and the old
 * generations do not grow. Without the spare pages, 140 MB are resident after 500 unwinds and after 10,000. The growth
 * of the second half is therefore judged in bytes for each unwind: on the heap of the host, on the heap of the worker,
 * and resident.
 *
 * `--leak` plants a leak of 2 KB for each unwind. The run then has to be a finding, otherwise the soak exits with 1.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { findings, isLeak, type Memory } from "../packages/worker-threads/test/fixtures/soak-memory.ts"
import * as Nodes from "./nodes.ts"

/** The output of the program; see `soak-main.ts` and `plain-soak-main.ts`. */
interface Tally {
  readonly unwinds: number
  readonly states: Readonly<Record<string, number>>
  /** For a contract: unwinds outside sections, and finalizers. */
  readonly outsideSections?: number
  readonly finalizers?: number
  /** For plain functions: calls that held a lock. */
  readonly locked?: number
  readonly rounds: number
  readonly memory: Memory
  readonly millis: number
}

const programs = { contract: "soak-main.ts", plain: "plain-soak-main.ts" } as const

type Kind = keyof typeof programs

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    plain: { type: "boolean", default: false },
    contract: { type: "boolean", default: false },
    node: { type: "string" },
    leak: { type: "string" }
  }
})
if (values.leak !== undefined && !isLeak(values.leak)) throw new Error(`There is no leak ${values.leak}.`)
const count = Number(positionals[0] ?? 10_000)
const kinds = (["contract", "plain"] as const).filter((kind) => values[kind] || values.plain === values.contract)

const mega = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MB`

const line = (tally: Tally, seconds: number): string => {
  const { unwinds, outsideSections, states, finalizers, locked, rounds, memory, millis } = tally
  const { early, end, growth } = memory
  const each = Object.entries(states).map(([state, times]) => `${state} ${times}`)
  const outside = outsideSections === undefined ? "" : `; ${outsideSections} of them outside sections`
  return [
    `${unwinds} unwinds (${each.join(", ")}${outside})`,
    ...(finalizers === undefined ? [] : [`${finalizers} finalizers`]),
    ...(locked === undefined ? [] : [`${locked} of them with a lock`]),
    `${rounds} rounds of co-tenant beats`,
    `resident ${mega(early)} at 10%, ${mega(end)} at the end`,
    `in the second half ${Object.entries(growth)
      .map(([place, bytes]) => `${place} ${bytes.toFixed(0)}`)
      .join(", ")} bytes each`,
    `${millis.toFixed(2)} ms each`,
    `${seconds.toFixed(0)} s`
  ].join("; ")
}

/** Whether a version passes, or is not installed. */
const soak = (kind: Kind, major: Nodes.Major): boolean => {
  const binary = Nodes.find(major)
  if (binary === undefined) {
    console.log(Nodes.absence(major))
    return true
  }
  const program = join(import.meta.dirname, "../packages/worker-threads/test/fixtures", programs[kind])
  const start = performance.now()
  const { status, signal, stdout } = spawnSync(binary, [program, String(count), values.leak ?? ""], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) {
    console.log(`Node ${major}, ${kind}: FINDING: the program ended with ${signal ?? status}`)
    return false
  }
  const tally = JSON.parse(stdout) as Tally // our own program has written this
  const found = findings(count, tally.memory)
  const finding = found.length === 0 ? "" : `FINDING: ${found.join(", ")}: `
  console.log(`Node ${major}, ${kind}: ${finding}${line(tally, (performance.now() - start) / 1000)}`)
  return (found.length === 0) === (values.leak === undefined)
}

const majors = Nodes.majors.filter((major) => values.node === undefined || values.node === String(major))
if (majors.length === 0) throw new Error(`There is no Node ${values.node}.`)
const failed = kinds.flatMap((kind) => majors.filter((major) => !soak(kind, major)))
process.exitCode = failed.length > 0 ? 1 : 0
