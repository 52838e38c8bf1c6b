import { expect, it } from "vitest"
import { limitOf } from "../src/internal/watch/watchdog.ts"

const locks = (shardLockExpiration: string, shardLockRefreshInterval: string) =>
  // The durations in this test have the form that the engine takes.
  ({ shardLockExpiration, shardLockRefreshInterval }) as Parameters<typeof limitOf>[1]

it("a runner may block its event loop for four fifths of the time in which no other runner notices", () => {
  // The defaults. A lock that is about to be refreshed lasts for 25 seconds.
  expect(limitOf(35_000, locks("35 seconds", "10 seconds"))).toBe(20_000)
  expect(limitOf(10_000, locks("35 seconds", "10 seconds"))).toBe(8000)
  expect(limitOf(Infinity, locks("35 seconds", "10 seconds"))).toBe(20_000)
  expect(limitOf(35_000, locks("3 seconds", "1 second"))).toBe(1600)
  expect(limitOf(35_000, locks("3 seconds", "5 seconds"))).toBe(28_000)
})
