import { describe, expect, it } from "@effect/vitest"
import { Escalation } from "@quiesce/core"
import { Duration, Result } from "effect"

const problemOf = (escalation: unknown): string =>
  // A caller without types could pass such a value.
  Result.match(Escalation.steps(escalation as Escalation.Escalation), {
    onFailure: (error) => error.message,
    onSuccess: () => "none"
  })

describe("Escalation.steps", () => {
  it("returns the rungs in climbing order with their graces in milliseconds", () => {
    const steps = Escalation.steps({ kill: "Infinity", interrupt: "1 second", stop: 0, unwind: undefined })
    expect(Result.getOrThrow(steps)).toEqual([
      { rung: "stop", grace: 0 },
      { rung: "interrupt", grace: 1000 },
      { rung: "kill", grace: Infinity }
    ])
  })

  it("of the named escalations are as documented", () => {
    expect(Result.getOrThrow(Escalation.steps(Escalation.interrupt))).toEqual([{ rung: "interrupt", grace: Infinity }])
    expect(Result.getOrThrow(Escalation.steps(Escalation.graceful))).toEqual([
      { rung: "stop", grace: 5000 },
      { rung: "interrupt", grace: 5000 }
    ])
  })

  it.each([
    [{}, "it has no rung"],
    [{ stop: undefined }, "it has no rung"],
    [{ stop: 1, terminate: 1 }, '"terminate" is not a rung'],
    [{ stop: "Infinity", interrupt: 1 }, "interrupt would never be reached, because stop waits without limit"],
    [{ stop: -1 }, "the grace for stop is -1"],
    [{ stop: NaN }, "the grace for stop is NaN"],
    [{ stop: "-1 second" }, 'the grace for stop is "-1 second"'],
    [{ stop: "soon" }, 'the grace for stop is "soon"'],
    [{ stop: -1n }, "the grace for stop is -1n"],
    [{ stop: null }, "the grace for stop is null"],
    [{ stop: () => 5 }, "the grace for stop is a Function"],
    [{ stop: Duration.negate(Duration.seconds(5)) }, "the grace for stop is -5000 millis"],
    [null, "it is null"],
    [undefined, "it is undefined"],
    ["graceful", 'it is "graceful"'],
    [5, "it is 5"]
  ])("refuses %o: %s", (escalation, problem) => {
    expect(problemOf(escalation)).toContain(problem)
  })
})
