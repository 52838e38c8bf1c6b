/** The axis of time: from times to pixels, with round times as ticks. */
import { duration } from "./words.ts"

export interface Scale {
  readonly left: number
  readonly right: number
  readonly x: (at: number) => number
  readonly ticks: ReadonlyArray<{ readonly x: number; readonly text: string }>
}

const steps = [1, 2, 5]

/** The places of the ticks are at least so many pixels apart. */
const apart = 90

export const make = (left: number, right: number, millis: number): Scale => {
  const whole = Math.max(millis, 0.001)
  const x = (at: number): number => left + (Math.min(Math.max(at, 0), whole) / whole) * (right - left)
  const step = stepOf((whole * apart) / (right - left))
  const ticks = []
  for (let index = 0; index * step <= whole * 1.000_001; index++) {
    ticks.push({ x: x(index * step), text: duration(Number((index * step).toPrecision(12))) })
  }
  return { left, right, x, ticks }
}

/** The least round time that is at least as long. From a minute on, round times are minutes and hours. */
const stepOf = (least: number): number => {
  if (least > 3_600_000 / 2) return 3_600_000 * roundUp(least / 3_600_000)
  if (least > 60_000 / 2) return 60_000 * ([1, 2, 5, 10, 30, 60].find((minutes) => minutes * 60_000 >= least) ?? 60)
  if (least > 20_000) return least <= 30_000 ? 30_000 : 60_000
  return roundUp(least)
}

const roundUp = (least: number): number => {
  const power = 10 ** Math.floor(Math.log10(least))
  return power * (steps.find((step) => step * power >= least * 0.999_999) ?? 10)
}
