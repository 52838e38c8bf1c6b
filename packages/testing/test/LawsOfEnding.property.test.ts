/** The laws of how threads end, each on generated programs, cut at every step or at a sample of the steps. */
import { expect, it } from "vitest"
import { report, tryLaw } from "./fixtures/lawCase.ts"

const options = { programs: 1000, most: 20, small: 200 }

it("interrupt-idempotent: n interrupts are one", { timeout: 60_000 }, () => {
  const tried = tryLaw("interrupt-idempotent", options)
  console.log(report("interrupt-idempotent", tried))
  expect(report("interrupt-idempotent", tried)).toContain(" 0 counterexamples")
})

it("interrupt-awaits: a waiting interrupt returns after the last finalizer", { timeout: 60_000 }, () => {
  const tried = tryLaw("interrupt-awaits", options)
  console.log(report("interrupt-awaits", tried))
  expect(report("interrupt-awaits", tried)).toContain(" 0 counterexamples")
})

it(
  "all-interruptors-wait: concurrent interruptors all resume after finalization, with the same exit",
  { timeout: 60_000 },
  () => {
    const tried = tryLaw("all-interruptors-wait", options)
    console.log(report("all-interruptors-wait", tried))
    expect(report("all-interruptors-wait", tried)).toContain(" 0 counterexamples")
  }
)

it("late-interrupt-noop: interrupting a finished thread returns its original exit", { timeout: 60_000 }, () => {
  const tried = tryLaw("late-interrupt-noop", options)
  console.log(report("late-interrupt-noop", tried))
  expect(report("late-interrupt-noop", tried)).toContain(" 0 counterexamples")
})

it("join-pure: join and timed join never change the thread", { timeout: 60_000 }, () => {
  const tried = tryLaw("join-pure", options)
  console.log(report("join-pure", tried))
  expect(report("join-pure", tried)).toContain(" 0 counterexamples")
})

it("join-stable: all joins see the same exit", { timeout: 60_000 }, () => {
  const tried = tryLaw("join-stable", options)
  console.log(report("join-stable", tried))
  expect(report("join-stable", tried)).toContain(" 0 counterexamples")
})

it("exit-unique: a thread settles once", { timeout: 60_000 }, () => {
  const tried = tryLaw("exit-unique", options)
  console.log(report("exit-unique", tried))
  expect(report("exit-unique", tried)).toContain(" 0 counterexamples")
})
