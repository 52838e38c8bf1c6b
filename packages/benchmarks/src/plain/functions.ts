/**
 * Pools of plain functions beside their peers. Each measurement runs in a process of its own, because pools in one process
 * disturb each other, and on the packages as users get them. Each claim must hold on an idle machine and beside two busy
 * processes.
 *
 * Beside busy processes, Linux keeps the host's thread and the worker's thread either on one core or on two, by chance, for as
 * long as a process lives. A call takes two to three times as long on two cores, with each pool, so that the medians of a few
 * processes say which pool was lucky. Each busy measurement of a single caller is therefore the mean of two processes, one on
 * one core and one on two.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process"
import { availableParallelism } from "node:os"
import { promisify } from "node:util"
import type { Comparison, Measure } from "../Comparison.ts"
import * as Project from "./project.ts"

type Load = "idle" | "busy"
type Peer = "piscina" | "tinypool" | "workerpool"

const execute = promisify(execFile)

/** The cores of host and worker: one core for both, and two. */
const placements: ReadonlyArray<string> = ["0,0", "0,1"]

const canPlace: boolean =
  process.platform === "linux" && availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0

/** The measures of a single caller. */
const placed: ReadonlySet<string | number | undefined> = new Set(["calls", "transfer", "move"])

const measure =
  (load: Load, pool: "quiesce" | Peer, ...args: ReadonlyArray<string | number>): Measure =>
  async () => {
    const [measured, callers] = args
    const places = load === "busy" && canPlace && placed.has(measured) && callers === 1 ? placements : [undefined]
    const others = load === "idle" ? [] : [busyProcess(), busyProcess()]
    try {
      let sum = 0
      for (const place of places) sum += await execution(pool, ...args, ...(place === undefined ? [] : [place]))
      return sum / places.length
    } finally {
      for (const other of others) other.kill("SIGKILL")
    }
  }

const execution = async (...args: ReadonlyArray<string | number>): Promise<number> => {
  const { stdout } = await execute(process.execPath, ["program.mjs", ...args.map(String)], { cwd: Project.folder() })
  return Number(stdout)
}

const busyProcess = (): ChildProcess => spawn(process.execPath, ["-e", "for(;;);"], { stdio: "ignore" })

type Claim = Pick<Comparison, "unit" | "direction" | "target">

const against = (
  peer: Peer,
  name: string,
  claim: Claim,
  args: ReadonlyArray<string | number>,
  loads: ReadonlyArray<Load> = ["idle", "busy"]
): ReadonlyArray<Comparison> =>
  loads.map((load) => ({
    ...claim,
    id: `plain-${name}-against-${peer}${load === "busy" ? "-busy" : ""}`,
    ours: measure(load, "quiesce", ...args),
    peer: measure(load, peer, ...args),
    rounds: 5
  }))

const asFast: Claim = { unit: "us a call", direction: "at least", target: 1 }
const information: Claim = { unit: "us a call", direction: "at least" }

export const comparisons: ReadonlyArray<Comparison> = [
  against("piscina", "first", { unit: "ms to the first result", direction: "at most", target: 3 }, ["first"]),
  against("piscina", "memory", { unit: "MB an idle worker", direction: "at most", target: 1.4 }, ["memory"], ["idle"]),
  against("piscina", "1-caller", asFast, ["calls", 1, 0]),
  against("piscina", "64-callers", { ...asFast, target: 2 }, ["calls", 64, 0]),
  against("piscina", "1-kB", asFast, ["calls", 1, 1_000]),
  against("piscina", "64-kB", asFast, ["calls", 1, 64_000]),
  against("piscina", "1-MB", asFast, ["calls", 1, 1_000_000]),
  // The input is transferred, and the result is copied.
  against("piscina", "16-MB-transferred", asFast, ["transfer", 1, 16_000_000]),
  against("piscina", "16-MB-moved-both-ways", asFast, ["move", 1, 16_000_000]),
  against("tinypool", "1-caller", information, ["calls", 1, 0], ["idle"]),
  against("tinypool", "64-callers", information, ["calls", 64, 0], ["idle"]),
  against("workerpool", "1-caller", information, ["calls", 1, 0], ["idle"]),
  against("workerpool", "64-callers", information, ["calls", 64, 0], ["idle"])
].flat()
