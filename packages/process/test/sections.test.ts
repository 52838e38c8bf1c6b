import { expect, it } from "vitest"
import { allowance } from "../src/internal/main/sections.ts"

it("allowance lets 20 sections begin at once, and then 20 a second", () => {
  let now = 0
  const mayEnd = allowance(() => now)
  const allowed = (count: number): number => Array.from({ length: count }, mayEnd).filter(Boolean).length

  expect(allowed(100)).toBe(20)
  now = 500
  expect(allowed(100)).toBe(10)
  now = 60_000
  expect(allowed(100)).toBe(20)
})
