/** The function of the laws of pools, as a plain function. Each call notes in shared memory how often and when it ran. */
import { setTimeout as pause } from "node:timers/promises"
import type { Task } from "@quiesce/worker-threads"
import { shortenGrace } from "../plain/seam.ts"
import type { How } from "./scenario.ts"

/** The words of shared memory before those of the calls. */
export const word = { clock: 0, gate: 1 } as const

/** The words of a call: how often it began, when it began and ended, and how many leases it has acquired. */
export const wordsOf = (n: number): { runs: number; beganAt: number; endedAt: number; leases: number } => {
  const first = 2 + 4 * n
  return { runs: first, beganAt: first + 1, endedAt: first + 2, leases: first + 3 }
}

export type Cells = Int32Array<SharedArrayBuffer>

export const makeCells = (calls: number): Cells => new Int32Array(new SharedArrayBuffer(4 * wordsOf(calls).runs))

export const tick = (cells: Cells): number => Atomics.add(cells, word.clock, 1) + 1

/** A worker remembers the shared memory of its last call that had some. */
export interface Work {
  readonly n: number
  readonly how: How | "gate"
  readonly leases: number
  readonly cells?: Cells | undefined
}

let known: Cells | undefined

const cellsOf = ({ cells }: Work): Cells => {
  known = cells ?? known
  if (known === undefined) throw new Error("no call of this worker had shared memory")
  return known
}

export const prefixOf = (n: number): string => `pool-law-${n}-`

export const begin = (work: Work): void => {
  const { n } = work
  const cells = cellsOf(work)
  cells[wordsOf(n).beganAt] = tick(cells)
  Atomics.add(cells, wordsOf(n).runs, 1)
  Atomics.notify(cells, wordsOf(n).runs)
}

export const end = (work: Work): void => {
  const { n } = work
  const cells = cellsOf(work)
  cells[wordsOf(n).endedAt] = tick(cells)
}

/** Waits until the gate opens. */
export const passGate = async (work: Work): Promise<number> => {
  const waiting = Atomics.waitAsync(cellsOf(work), word.gate, 0)
  if (waiting.async) await waiting.value
  return work.n
}

/** The work of calls that do not wait. */
export const workNow = ({ how, n }: Work): number => {
  if (how === "fail") throw new Error(`${n} fails`)
  if (how === "exit") return process.exit(1)
  if (how === "spin") for (;;);
  return n
}

export const leaseHeld = (work: Work): void => void Atomics.add(cellsOf(work), wordsOf(work.n).leases, 1)

const aborted = async (signal: AbortSignal): Promise<never> => {
  await pause(2 ** 30, undefined, { signal, ref: false }).catch(() => {})
  throw signal.reason
}

const workLater = async (work: Work, { lease, signal }: Task.TaskContext): Promise<number> => {
  try {
    for (let i = 0; i < work.leases; i++) {
      await lease.temporaryFolder({ prefix: prefixOf(work.n) })
      leaseHeld(work)
    }
    if (work.how === "gate") return await passGate(work)
    return work.how === "wait" ? await aborted(signal) : workNow(work)
  } finally {
    end(work)
  }
}

export default function run(work: Work, context: Task.TaskContext): number | Promise<number> {
  begin(work)
  if (work.leases > 0 || work.how === "wait" || work.how === "gate") return workLater(work, context)
  if (work.how === "spin") shortenGrace()
  try {
    return workNow(work)
  } finally {
    end(work)
  }
}
