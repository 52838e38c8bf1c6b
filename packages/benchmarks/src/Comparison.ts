/**
 * One claim about speed or size: ours against a peer, measured in turn in one process, held against a target.
 */

import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** The result of a measurement. Smaller is better. */
export type Measure = () => Promise<number>

/** A fixed figure in place of a peer. */
export const limit =
  (figure: number): Measure =>
  () =>
    Promise.resolve(figure)

export interface Comparison {
  readonly id: string
  /** The unit of both figures, such as "ns a spawn". */
  readonly unit: string
  readonly ours: Measure
  readonly peer: Measure
  /** The meaning of the ratio: `ours / peer` must be at most the target, or `peer / ours` at least the target. */
  readonly direction: "at most" | "at least"
  /** A comparison without a target is for information. */
  readonly target?: number
  readonly rounds?: number
}

export interface Outcome {
  readonly id: string
  readonly ratio: number
  readonly target: number | null
  readonly holds: boolean
}

export interface Result extends Outcome {
  readonly unit: string
  readonly direction: Comparison["direction"]
  readonly ours: number
  readonly peer: number
}

/** Collects garbage, so that no measurement pays for the garbage of another. */
export const collect = async (): Promise<void> => {
  setFlagsFromString("--expose-gc")
  const gc: () => void = runInNewContext("gc")
  for (let i = 0; i < 2; i++) {
    gc()
    await setImmediate()
  }
}

const measure = async (of: Measure): Promise<number> => {
  await collect()
  return of()
}

/** Measures both sides by turns, with alternating order, and compares the medians. */
export const run = async (self: Comparison): Promise<Result> => {
  const ours: Array<number> = []
  const peers: Array<number> = []
  await measure(self.ours)
  await measure(self.peer)
  for (let round = 0; round < (self.rounds ?? 9); round++) {
    if (round % 2 === 0) {
      ours.push(await measure(self.ours))
      peers.push(await measure(self.peer))
    } else {
      peers.push(await measure(self.peer))
      ours.push(await measure(self.ours))
    }
  }
  const our = median(ours)
  const peer = median(peers)
  const ratio = self.direction === "at most" ? our / peer : peer / our
  const { id, unit, direction, target = null } = self
  const holds = target === null || (direction === "at most" ? ratio <= target : ratio >= target)
  return { id, unit, direction, target, ours: our, peer, ratio, holds }
}

export const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
