/**
 * Measurements beside two busy processes.
 *
 * Linux then keeps the threads of host and worker either on one core or on two, by chance, for as long as a process lives. A call
 * takes two to three times as long on two cores, with each pool, so that the medians of a few processes say which pool was
 * lucky. A busy measurement of one worker is therefore the mean of two: one on one core and one on two.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { availableParallelism } from "node:os"

/** The cores of host and worker, such as `0,1`. Undefined where the system chooses them. */
export type Cores = string | undefined

const canPlace: boolean =
  process.platform === "linux" && availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0

/** One core for both threads, and two. */
const placements: ReadonlyArray<Cores> = canPlace ? ["0,0", "0,1"] : [undefined]

const busyProcess = (): ChildProcess => spawn(process.execPath, ["-e", "for(;;);"], { stdio: "ignore" })

/** Runs a measurement beside two busy processes. */
export const beside = async (measure: () => Promise<number>): Promise<number> => {
  const others = [busyProcess(), busyProcess()]
  try {
    return await measure()
  } finally {
    for (const other of others) other.kill("SIGKILL")
  }
}

/** The mean of the measurements on one core and on two, beside two busy processes. */
export const onEachPlace = (measure: (cores: Cores) => Promise<number>): Promise<number> =>
  beside(async () => {
    let sum = 0
    for (const cores of placements) sum += await measure(cores)
    return sum / placements.length
  })

/** Keeps the main thread of this process and its workers on their cores. */
export const place = (cores: Cores): void => {
  if (cores === undefined) return
  const [host = "", worker = ""] = cores.split(",")
  execFileSync("taskset", ["-cp", host, String(process.pid)])
  for (const task of readdirSync("/proc/self/task")) {
    const isWorker = readFileSync(`/proc/self/task/${task}/comm`, "utf8").trim() === "WorkerThread"
    if (isWorker) execFileSync("taskset", ["-cp", worker, task])
  }
}
