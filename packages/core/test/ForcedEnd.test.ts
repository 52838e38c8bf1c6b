import { describe, expect, it } from "@effect/vitest"
import { CancelReason, ForcedEnd } from "@quiesce/core"
import { Cause, Effect, Exit, Option } from "effect"

const reason = { ...CancelReason.shutdown({ message: "closing time" }), by: "main", at: 7 }
const end = ForcedEnd.killed("loop", ["page", "lock file"])
const cause = ForcedEnd.annotate(CancelReason.toCause(reason), end)

describe("ForcedEnd", () => {
  it("is in the Cause of a kill, which contains only an interruption with its reason", () => {
    expect(Cause.hasInterruptsOnly(cause)).toBe(true)
    expect(CancelReason.fromCause(cause)).toEqual(Option.some(reason))
    expect(ForcedEnd.fromCause(cause)).toEqual(Option.some(end))
    expect(ForcedEnd.fromExit(Exit.failCause(cause))).toEqual(Option.some(end))
  })

  it("is none in any other Cause", () => {
    expect(ForcedEnd.fromCause(CancelReason.toCause(reason))).toEqual(Option.none())
    expect(ForcedEnd.fromExit(Exit.fail("no"))).toEqual(Option.none())
    expect(ForcedEnd.fromExit(Exit.void)).toEqual(Option.none())
  })

  it("is in the Cause of a crash beside the error, and lists the lost leases", () => {
    const crash = ForcedEnd.annotate(Cause.fail("out of memory"), ForcedEnd.crashed("loop", ["page"]))
    expect(Cause.hasFails(crash) && crash.reasons.length).toBe(1)
    expect(ForcedEnd.fromCause(crash)).toEqual(Option.some({ _tag: "Crashed", thread: "loop", lost: ["page"] }))
  })

  it("is printed by Cause.pretty after the reason, with the lost leases", () => {
    const lines = Cause.pretty(cause)
      .split("\n")
      .map((line) => line.trim())
    const from = lines.indexOf('at Shutdown "closing time", asked by "main"')
    expect(lines[from + 1]).toBe('at "loop", killed without its finalizers, lost ["page","lock file"]')
    const nothing = ForcedEnd.annotate(Cause.interrupt(3), ForcedEnd.killed("loop", []))
    expect(Cause.pretty(nothing)).toContain('at "loop", killed without its finalizers, lost []')
  })

  it.effect("beside an error does not prevent catching the error", () =>
    Effect.gen(function* () {
      const both = Effect.failCause(Cause.combine(cause, Cause.fail("no")))
      expect(
        yield* Effect.catchIf(
          both,
          (error) => error === "no",
          (error) => Effect.succeed(`caught ${error}`)
        )
      ).toBe("caught no")
    })
  )
})
