/**
 * Ends 10,000 tasks of one worker by force, on each version of Node: `pnpm soak [COUNT]`.
 *
 * One line a version says what was ended and what it cost. Exits with 1 on any finding: a process that aborts, a
 * finalizer missed, repeated or out of order, a co-tenant that misses a beat, memory that grows.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import * as Nodes from "./nodes.ts"

/** What the program prints; see there. */
interface Tally {
  readonly unwinds: number
  readonly outsideSections: number
  readonly states: Readonly<Record<string, number>>
  readonly finalizers: number
  readonly rounds: number
  readonly resident: { readonly early: number; readonly end: number }
  readonly millis: number
}

const program = join(import.meta.dirname, "../packages/worker-threads/test/fixtures/soak-main.ts")
const count = Number(process.argv[2] ?? 10_000)

/** What is resident comes and goes by some; a leak of a few KB an unwind would be more. */
const mayGrow = 1.25

const mega = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MB`

const line = (tally: Tally, seconds: number): string => {
  const { unwinds, outsideSections, states, finalizers, rounds, resident, millis } = tally
  const each = Object.entries(states).map(([state, times]) => `${state} ${times}`)
  return [
    `${unwinds} unwinds (${each.join(", ")}; ${outsideSections} of them outside sections)`,
    `${finalizers} finalizers`,
    `${rounds} rounds of co-tenant beats`,
    `resident ${mega(resident.early)} at 10%, ${mega(resident.end)} at the end`,
    `${millis.toFixed(2)} ms each`,
    `${seconds.toFixed(0)} s`
  ].join("; ")
}

/** Whether a version passes, or is not there. */
const soak = (major: Nodes.Major): boolean => {
  const binary = Nodes.find(major)
  if (binary === undefined) {
    console.log(Nodes.absence(major))
    return true
  }
  const start = performance.now()
  const { status, signal, stdout } = spawnSync(binary, [program, String(count)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (status !== 0) {
    console.log(`Node ${major}: FINDING: the program ended with ${signal ?? status}`)
    return false
  }
  const tally = JSON.parse(stdout) as Tally // written by our own program
  const flat = tally.resident.end <= mayGrow * tally.resident.early
  const finding = flat ? "" : "FINDING: memory grows: "
  console.log(`Node ${major}: ${finding}${line(tally, (performance.now() - start) / 1000)}`)
  return flat
}

const failed = Nodes.majors.filter((major) => !soak(major))
process.exitCode = failed.length > 0 ? 1 : 0
