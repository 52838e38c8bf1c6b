import { expect, it } from "vitest"
import { SignalCount } from "../src/internal/signals/signalCount.ts"

it("SignalCount counts the signals of a held key, and of a wrapper that forwards them, once", () => {
  const count = new SignalCount()
  const times = [0, 5, 90, 180, 270, 370, 800]

  expect(times.map((at) => count.add("SIGINT", at))).toEqual([
    "First",
    "Repeated",
    "Repeated",
    "Repeated",
    "Repeated",
    "Second",
    "Third"
  ])
})

it("SignalCount counts each signal of different kinds", () => {
  const count = new SignalCount()

  expect([count.add("SIGHUP", 0), count.add("SIGTERM", 1), count.add("SIGINT", 2)]).toEqual([
    "First",
    "Second",
    "Third"
  ])
})

it("SignalCount reports for how long a signal may still be repeated", () => {
  const count = new SignalCount()

  expect(count.repeatsFor(0)).toBe(0)
  count.add("SIGINT", 10)
  expect([count.repeatsFor(10), count.repeatsFor(70), count.repeatsFor(500)]).toEqual([100, 40, 0])
})
