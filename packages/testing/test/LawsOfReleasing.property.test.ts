/** The laws of what is held, each on generated programs, cut at every step or at a sample of the steps. */
import { expect, it } from "vitest"
import { report, tryLaw } from "./fixtures/lawCase.ts"

const options = { programs: 1000, most: 20, small: 200 }

it("release-once: each completed acquire has exactly one release", { timeout: 60_000 }, () => {
  const tried = tryLaw("release-once", options)
  console.log(report("release-once", tried))
  expect(report("release-once", tried)).toContain(" 0 counterexamples")
})

it("no-acquire-no-release: an acquire that failed or never ran has no release", { timeout: 60_000 }, () => {
  const tried = tryLaw("no-acquire-no-release", options)
  console.log(report("no-acquire-no-release", tried))
  expect(report("no-acquire-no-release", tried)).toContain(" 0 counterexamples")
})

it(
  "acquire-atomic: no cancel falls between an acquire's success and the registration of its release",
  { timeout: 60_000 },
  () => {
    const tried = tryLaw("acquire-atomic", options)
    console.log(report("acquire-atomic", tried))
    expect(report("acquire-atomic", tried)).toContain(" 0 counterexamples")
  }
)

it("lifo: releases run in reverse order of acquiring", { timeout: 60_000 }, () => {
  const tried = tryLaw("lifo", options)
  console.log(report("lifo", tried))
  expect(report("lifo", tried)).toContain(" 0 counterexamples")
})

it("finalizer-isolation: a release that fails or hangs never prevents the others", { timeout: 60_000 }, () => {
  const tried = tryLaw("finalizer-isolation", options)
  console.log(report("finalizer-isolation", tried))
  expect(report("finalizer-isolation", tried)).toContain(" 0 counterexamples")
})

it("finalizer-shield: a cancel during finalization neither aborts nor restarts it", { timeout: 60_000 }, () => {
  const tried = tryLaw("finalizer-shield", options)
  console.log(report("finalizer-shield", tried))
  expect(report("finalizer-shield", tried)).toContain(" 0 counterexamples")
})

it("bounded-cleanup: a release's own deadline fires despite the shield", { timeout: 60_000 }, () => {
  const tried = tryLaw("bounded-cleanup", options)
  console.log(report("bounded-cleanup", tried))
  expect(report("bounded-cleanup", tried)).toContain(" 0 counterexamples")
})
