/** The laws of the tree of threads and of masks, each on generated programs, cut at every step or at a sample of the steps. */
import { expect, it } from "vitest"
import { report, tryLaw, tryLawAsync } from "./fixtures/lawCase.ts"

const options = { programs: 1000, most: 20, small: 200 }

it("no-orphan: when a scope has closed, no descendant is live", { timeout: 60_000 }, () => {
  const tried = tryLaw("no-orphan", options)
  console.log(report("no-orphan", tried))
  expect(report("no-orphan", tried)).toContain(" 0 counterexamples")
})

it("late-fork: a fork into a cancelled or closed scope starts nothing", { timeout: 60_000 }, () => {
  const tried = tryLaw("late-fork", options)
  console.log(report("late-fork", tried))
  expect(report("late-fork", tried)).toContain(" 0 counterexamples")
})

it("downward-only: cancelling a child cancels neither parent nor siblings", { timeout: 60_000 }, () => {
  const tried = tryLaw("downward-only", options)
  console.log(report("downward-only", tried))
  expect(report("downward-only", tried)).toContain(" 0 counterexamples")
})

it("fail-fast-origin: the parent sees the original error, not the siblings' cancellation", { timeout: 60_000 }, () => {
  const tried = tryLaw("fail-fast-origin", options)
  console.log(report("fail-fast-origin", tried))
  expect(report("fail-fast-origin", tried)).toContain(" 0 counterexamples")
})

it("level-triggered: after a cancel, every unmasked checkpoint stops", { timeout: 60_000 }, () => {
  const tried = tryLaw("level-triggered", options)
  console.log(report("level-triggered", tried))
  expect(report("level-triggered", tried)).toContain(" 0 counterexamples")
})

it("mask-pends: a cancel under a mask is delayed, never lost", { timeout: 60_000 }, () => {
  const tried = tryLaw("mask-pends", options)
  console.log(report("mask-pends", tried))
  expect(report("mask-pends", tried)).toContain(" 0 counterexamples")
})

it("settle-before-release: what an aborted promise uses outlives it, or its limit", { timeout: 60_000 }, async () => {
  const tried = await tryLawAsync("settle-before-release", options)
  console.log(report("settle-before-release", tried))
  expect(report("settle-before-release", tried)).toContain(" 0 counterexamples")
})
