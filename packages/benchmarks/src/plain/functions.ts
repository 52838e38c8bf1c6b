/**
 * Pools of plain functions beside their peers. Each measurement runs in a process of its own, because pools in one process
 * disturb each other. The packages are built as for a release. Each claim must hold on an idle machine and beside two busy
 * processes.
 */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import type { Comparison, Measure } from "../Comparison.ts"
import * as Load from "../load.ts"
import * as Project from "./project.ts"

type Machine = "idle" | "busy"
type Peer = "piscina" | "tinypool" | "workerpool"

const execute = promisify(execFile)

/** The measures of one worker, if there is one caller. */
const ofOneWorker: ReadonlySet<string | number | undefined> = new Set(["calls", "transfer", "move"])

const measure =
  (load: Machine, pool: "quiesce" | Peer, ...args: ReadonlyArray<string | number>): Measure =>
  () => {
    const [measured, callers] = args
    if (load === "idle") return execution(pool, ...args)
    if (!ofOneWorker.has(measured) || callers !== 1) return Load.beside(() => execution(pool, ...args))
    return Load.onEachPlace((cores) => execution(pool, ...args, ...(cores === undefined ? [] : [cores])))
  }

const execution = async (...args: ReadonlyArray<string | number>): Promise<number> => {
  const { stdout } = await execute(process.execPath, ["program.mjs", ...args.map(String)], { cwd: Project.folder() })
  return Number(stdout)
}

type Claim = Pick<Comparison, "unit" | "direction" | "target">

const against = (
  peer: Peer,
  name: string,
  claim: Claim,
  args: ReadonlyArray<string | number>,
  loads: ReadonlyArray<Machine> = ["idle", "busy"]
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
