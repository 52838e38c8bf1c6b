import { describe, expect, it } from "vitest"
import { CancelReason } from "@quiesce/core"
import * as State from "../src/internal/threadState.ts"

const first = CancelReason.stopped({ message: "first" })
const second = CancelReason.interrupted({ message: "second" })
const third = CancelReason.interrupted({ message: "third" })

const { running } = State
const stopping = State.stop(running, first)
const cancelled = State.cancel(running, "interrupt", first)
const settled = State.settle(running, false)

describe("State.stop", () => {
  it("takes a running thread to Stopping with the reason", () => {
    expect(stopping).toEqual({ _tag: "Stopping", reason: first })
  })

  it.for([stopping, cancelled, settled])("returns $_tag unchanged", (state) => {
    expect(State.stop(state, second)).toBe(state)
  })
})

describe("State.cancel", () => {
  it.for(["interrupt", "unwind", "kill"] as const)("takes a running thread to Cancelled on %s", (rung) => {
    const after = State.cancel(running, rung, first)
    expect(after).toEqual({ _tag: "Cancelled", reason: first, later: [], rung })
    expect(State.addedReasons(running, after)).toEqual([first])
  })

  it("keeps the reason of Stopping as the first one, and adds its own", () => {
    const after = State.cancel(stopping, "interrupt", second)
    expect(after).toEqual({ _tag: "Cancelled", reason: first, later: [second], rung: "interrupt" })
    expect(State.addedReasons(stopping, after)).toEqual([first, second])
  })

  it("does not add a reason equal to the reason of Stopping", () => {
    const after = State.cancel(stopping, "interrupt", { ...first })
    expect(after).toEqual({ _tag: "Cancelled", reason: first, later: [], rung: "interrupt" })
    expect(State.addedReasons(stopping, after)).toEqual([first])
  })

  it("adds each further reason of a cancelled thread once", () => {
    const twice = State.cancel(cancelled, "interrupt", second)
    const thrice = State.cancel(twice, "interrupt", third)
    expect(thrice).toEqual({ _tag: "Cancelled", reason: first, later: [second, third], rung: "interrupt" })
    expect(State.addedReasons(cancelled, twice)).toEqual([second])
    expect(State.addedReasons(twice, thrice)).toEqual([third])
    for (const known of [first, { ...second }, third]) {
      expect(State.cancel(thrice, "interrupt", known)).toBe(thrice)
    }
  })

  it("raises the rung of a cancelled thread, and never lowers it", () => {
    const unwound = State.cancel(cancelled, "unwind", first)
    expect(unwound).toEqual({ _tag: "Cancelled", reason: first, later: [], rung: "unwind" })
    expect(State.addedReasons(cancelled, unwound)).toEqual([])
    expect(State.cancel(unwound, "interrupt", first)).toBe(unwound)
    expect(State.cancel(unwound, "interrupt", second)).toMatchObject({ rung: "unwind", later: [second] })
    expect(State.cancel(unwound, "kill", second)).toMatchObject({ rung: "kill", later: [second] })
  })

  it("returns a settled thread unchanged", () => {
    expect(State.cancel(settled, "kill", first)).toBe(settled)
    expect(State.addedReasons(settled, settled)).toEqual([])
  })

  it("returns the same state for many threads with one reason", () => {
    expect(State.cancel(running, "interrupt", second)).toBe(State.cancel(running, "interrupt", second))
    expect(State.cancel(running, "interrupt", third)).not.toBe(State.cancel(running, "interrupt", second))
  })
})

describe("State.settle", () => {
  it.for([
    [running, undefined, undefined],
    [stopping, first, "stop"],
    [State.cancel(cancelled, "kill", second), first, "kill"]
  ] as const)("keeps of %o the first reason and the highest rung", ([before, reason, rung]) => {
    for (const abandoned of [false, true]) {
      expect(State.rungOf(before)).toBe(rung)
      const after = State.settle(before, abandoned)
      expect(after).toEqual({ _tag: "Settled", reason, rung, abandoned })
      expect(State.rungOf(after)).toBe(rung)
    }
  })

  it("returns a settled thread unchanged", () => {
    expect(State.settle(settled, true)).toBe(settled)
  })
})

describe("State.reasonOf, cancelReasonsOf and isCancelled", () => {
  it.for([
    [running, undefined, [], false],
    [stopping, first, [], false],
    [cancelled, first, [first], true],
    [State.cancel(cancelled, "interrupt", second), first, [first, second], true],
    [settled, undefined, [], false],
    [State.settle(stopping, false), first, [], false],
    [State.settle(State.cancel(cancelled, "interrupt", second), false), first, [first], true]
  ] as const)("%o", ([state, reason, reasons, isCancelled]) => {
    expect(State.reasonOf(state)).toBe(reason)
    expect(State.cancelReasonsOf(state)).toEqual(reasons)
    expect(State.isCancelled(state)).toBe(isCancelled)
  })
})
