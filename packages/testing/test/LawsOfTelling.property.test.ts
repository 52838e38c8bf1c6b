/** The laws of what is told, each on generated programs, cut at every step or at a sample of the steps. */
import { expect, it } from "vitest"
import { report, tryLaw } from "./fixtures/lawCase.ts"

const options = { programs: 1000, most: 20, small: 200 }

it("did-not-happen: a cancelled raise or lock leaves state as it was", { timeout: 60_000 }, () => {
  const tried = tryLaw("did-not-happen", options)
  console.log(report("did-not-happen", tried))
  expect(report("did-not-happen", tried)).toContain(" 0 counterexamples")
})

it("first-reason: the reason never changes once set", { timeout: 60_000 }, () => {
  const tried = tryLaw("first-reason", options)
  console.log(report("first-reason", tried))
  expect(report("first-reason", tried)).toContain(" 0 counterexamples")
})

it("reason-everywhere: every finalizer, signal and descendant sees that reason", { timeout: 60_000 }, () => {
  const tried = tryLaw("reason-everywhere", options)
  console.log(report("reason-everywhere", tried))
  expect(report("reason-everywhere", tried)).toContain(" 0 counterexamples")
})

it("deadline-min: the effective deadline is the smallest of those around", { timeout: 60_000 }, () => {
  const tried = tryLaw("deadline-min", options)
  console.log(report("deadline-min", tried))
  expect(report("deadline-min", tried)).toContain(" 0 counterexamples")
})

it("ladder-monotone: rungs are climbed in order, each after its grace, none twice", { timeout: 60_000 }, () => {
  const tried = tryLaw("ladder-monotone", options)
  console.log(report("ladder-monotone", tried))
  expect(report("ladder-monotone", tried)).toContain(" 0 counterexamples")
})

it("kill-is-visible: the exit of an abandoned thread is distinct and lists what was lost", { timeout: 60_000 }, () => {
  const tried = tryLaw("kill-is-visible", options)
  console.log(report("kill-is-visible", tried))
  expect(report("kill-is-visible", tried)).toContain(" 0 counterexamples")
})

it("listener-clean: after settling no listener or timer is left", { timeout: 60_000 }, () => {
  const tried = tryLaw("listener-clean", options)
  console.log(report("listener-clean", tried))
  expect(report("listener-clean", tried)).toContain(" 0 counterexamples")
})

it("raise-exactly-one: a raised error reaches exactly one region, or none and then false", { timeout: 60_000 }, () => {
  const tried = tryLaw("raise-exactly-one", options)
  console.log(report("raise-exactly-one", tried))
  expect(report("raise-exactly-one", tried)).toContain(" 0 counterexamples")
})

it("report-true: the report says just what happened", { timeout: 60_000 }, () => {
  const tried = tryLaw("report-true", options)
  console.log(report("report-true", tried))
  expect(report("report-true", tried)).toContain(" 0 counterexamples")
})
