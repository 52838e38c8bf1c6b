/** Checks how many workers a pool has. */
import { textOf } from "@quiesce/core/internal"
import * as WorkerError from "../../WorkerError.ts"

/** The least and the greatest number of workers. */
export interface PoolSize {
  readonly min: number
  readonly max: number
}

/** The size that a caller has given, or the error of a wrong one. */
export const sizeOf = (size: PoolSize): PoolSize | WorkerError.WorkerError => {
  if (typeof size !== "object" || size === null) {
    return invalid(`${textOf(size)} is not a number of workers; give one such as { min: 0, max: 4 }`)
  }
  const { max, min } = size
  if (!isCount(max, 1)) return invalid(`${textOf(max)} is not a number of workers, which is at least 1`)
  if (!isCount(min, 0) || min > max) return invalid(`the minimum ${textOf(min)} is not between 0 and ${max}`)
  return { min, max }
}

export const isCount = (value: number, least: number): boolean =>
  Number.isInteger(value) && value >= least && value <= 65_536

const invalid = (problem: string): WorkerError.WorkerError =>
  WorkerError.make({ _tag: "InvalidOption", option: "size", problem })
