/**
 * Ends 10,000 tasks of one worker by force, and then 10,000 calls of one worker of plain functions, on each version of
 * Node: `pnpm soak [COUNT] [--plain | --contract]`.
 *
 * One line a version says what was ended and what it cost. Exits with 1 on any finding: a process that aborts, a
 * finalizer missed, repeated or out of order, a co-tenant that misses a beat, memory that grows.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Nodes from "./nodes.ts"

/** What the program prints; see there. */
interface Tally {
  readonly unwinds: number
  readonly states: Readonly<Record<string, number>>
  /** Of a contract: unwinds outside sections, and finalizers. */
  readonly outsideSections?: number
  readonly finalizers?: number
  /** Of plain functions: calls that held a lock. */
  readonly locked?: number
  readonly rounds: number
  readonly resident: { readonly early: number; readonly end: number }
  readonly millis: number
}

const programs = { contract: "soak-main.ts", plain: "plain-soak-main.ts" } as const

type Kind = keyof typeof programs

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { plain: { type: "boolean", default: false }, contract: { type: "boolean", default: false } }
})
const count = Number(positionals[0] ?? 10_000)
const kinds = (["contract", "plain"] as const).filter((kind) => values[kind] || values.plain === values.contract)

/** What is resident comes and goes by some; a leak of a few KB an unwind would be more. */
const mayGrow = 1.25

const mega = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MB`

const line = (tally: Tally, seconds: number): string => {
  const { unwinds, outsideSections, states, finalizers, locked, rounds, resident, millis } = tally
  const each = Object.entries(states).map(([state, times]) => `${state} ${times}`)
  const outside = outsideSections === undefined ? "" : `; ${outsideSections} of them outside sections`
  return [
    `${unwinds} unwinds (${each.join(", ")}${outside})`,
    ...(finalizers === undefined ? [] : [`${finalizers} finalizers`]),
    ...(locked === undefined ? [] : [`${locked} of them with a lock`]),
    `${rounds} rounds of co-tenant beats`,
    `resident ${mega(resident.early)} at 10%, ${mega(resident.end)} at the end`,
    `${millis.toFixed(2)} ms each`,
    `${seconds.toFixed(0)} s`
  ].join("; ")
}

/** Whether a version passes, or is not there. */
const soak = (kind: Kind, major: Nodes.Major): boolean => {
  const binary = Nodes.find(major)
  if (binary === undefined) {
    console.log(Nodes.absence(major))
    return true
  }
  const program = join(import.meta.dirname, "../packages/worker-threads/test/fixtures", programs[kind])
  const start = performance.now()
  const { status, signal, stdout } = spawnSync(binary, [program, String(count)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) {
    console.log(`Node ${major}, ${kind}: FINDING: the program ended with ${signal ?? status}`)
    return false
  }
  const tally = JSON.parse(stdout) as Tally // written by our own program
  const flat = tally.resident.end <= mayGrow * tally.resident.early
  const finding = flat ? "" : "FINDING: memory grows: "
  console.log(`Node ${major}, ${kind}: ${finding}${line(tally, (performance.now() - start) / 1000)}`)
  return flat
}

const failed = kinds.flatMap((kind) => Nodes.majors.filter((major) => !soak(kind, major)))
process.exitCode = failed.length > 0 ? 1 : 0
