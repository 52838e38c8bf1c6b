import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Deadline } from "@quiesce/core"
import * as Schemas from "@quiesce/core/Schemas"
import { Cause, Data, Effect, Exit, Fiber, Option, Schema } from "effect"

const all: ReadonlyArray<CancelReason.CancelReason> = [
  CancelReason.stopped(),
  CancelReason.interrupted({ message: "why" }),
  { ...CancelReason.interrupted({ message: "why" }), by: "boss", at: 7 },
  CancelReason.timedOut(50),
  CancelReason.deadlineExceeded(1000),
  CancelReason.parentEnded("main"),
  CancelReason.siblingFailed("reader"),
  CancelReason.shutdown(),
  CancelReason.shutdown({ message: "bye", signal: "SIGTERM" }),
  CancelReason.moved("host-1:4000"),
  CancelReason.lost("host-1:4000", { message: "The runner is gone" }),
  CancelReason.aborted("gone")
]

const throughJson = (reason: CancelReason.CancelReason): CancelReason.CancelReason =>
  Schema.decodeUnknownSync(Schemas.CancelReason)(
    JSON.parse(JSON.stringify(Schema.encodeSync(Schemas.CancelReason)(reason)))
  )

describe("CancelReason", () => {
  it("survives JSON, each kind", () => {
    for (const reason of all) expect(throughJson(reason)).toEqual(reason)
  })

  it("survives JSON with an Error as the cause, by name, message and stack", () => {
    const decoded = throughJson(CancelReason.aborted(new TypeError("gone")))
    expect(decoded._tag === "Aborted" && decoded.cause).toMatchObject({ name: "TypeError", message: "gone" })
    expect(decoded.message).toBe("Aborted: gone")
  })

  it("survives JSON with any cause", () => {
    const circular: Record<string, unknown> = {}
    circular["self"] = circular
    const causes = [undefined, null, 0, NaN, 1n, Symbol("s"), () => {}, circular, Object.create(null), new Map()]
    for (const cause of causes) expect(throughJson(CancelReason.aborted(cause))._tag).toBe("Aborted")
    const { signal } = new AbortController()
    expect(throughJson(CancelReason.aborted(signal.reason))._tag).toBe("Aborted")
    const platform = AbortSignal.abort()
    expect(throughJson(CancelReason.aborted(platform.reason)).message).toBe("Aborted: This operation was aborted")
  })

  it("can't be decoded from any other value", () => {
    for (const given of [null, {}, { _tag: "Interrupted" }, { _tag: "Other", message: "" }, "Interrupted"]) {
      expect(Exit.isFailure(Schema.decodeUnknownExit(Schemas.CancelReason)(given))).toBe(true)
      expect(CancelReason.isCancelReason(given)).toBe(false)
    }
  })

  it("has each field of its kind, with the field's type", () => {
    for (const reason of all) {
      expect(CancelReason.isCancelReason(reason)).toBe(true)
      for (const field of Object.keys(reason)) {
        const isOptional = ["by", "at", "signal"].includes(field)
        const without = Object.fromEntries(Object.entries(reason).filter(([name]) => name !== field))
        expect([field, CancelReason.isCancelReason(without)]).toEqual([field, isOptional])
        if (field === "cause") continue
        for (const wrong of [null, true, [], {}, Symbol("s"), field === "at" ? "7" : 7n]) {
          expect([field, CancelReason.isCancelReason({ ...reason, [field]: wrong })]).toEqual([field, false])
        }
      }
    }
  })

  it("is no error with the tag of a reason, so that the error keeps its stack as the cause of an Aborted", () => {
    class Interrupted extends Data.TaggedError("Interrupted")<{ readonly message: string }> {}
    class TimedOut extends Data.TaggedError("TimedOut")<{ readonly message: string; readonly millis: number }> {}
    const exceeded = new Deadline.DeadlineExceeded({ millis: 5, suppressed: [] })
    const own = [new Interrupted({ message: "mine" }), new TimedOut({ message: "mine", millis: 1 }), exceeded]
    for (const error of own) {
      expect(CancelReason.isCancelReason(error)).toBe(false)
      expect(CancelReason.fromUnknown(error)).toMatchObject({ _tag: "Aborted", cause: error })
    }
  })

  it("toError returns one AbortError for one reason, with the cause of a foreign abort", () => {
    const error = CancelReason.toError(all[0]!)
    expect(error).toBe(CancelReason.toError(all[0]!))
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: "AbortError", message: "Asked to stop", reason: all[0] })
    expect(CancelReason.toError(CancelReason.aborted(error)).cause).toBe(error)
  })

  it("toError does not change the stacks of other errors", () => {
    const before = Error.stackTraceLimit
    CancelReason.toError(CancelReason.stopped({ message: "other" }))
    expect(Error.stackTraceLimit).toBe(before)
    expect(new Error("later").stack).toContain("CancelReason.test")
  })

  it("fromUnknown returns a reason and the reason of an error, and wraps other values", () => {
    expect(CancelReason.fromUnknown(all[1])).toBe(all[1])
    expect(CancelReason.fromUnknown(CancelReason.toError(all[1]!))).toBe(all[1])
    expect(CancelReason.fromUnknown("gone")).toEqual({ _tag: "Aborted", message: "Aborted: gone", cause: "gone" })
    for (const strange of [Object.create(null), Symbol("s"), { toString: () => 1 }]) {
      expect(CancelReason.fromUnknown(strange)._tag).toBe("Aborted")
    }
  })

  it("is carried by a Cause, the first reason first, and before interruptions without one", () => {
    const [first, second] = [
      CancelReason.interrupted({ message: "first" }),
      CancelReason.interrupted({ message: "second" })
    ]
    const cause = Cause.combine(
      Cause.interrupt(1),
      Cause.combine(CancelReason.toCause(first), CancelReason.toCause(second))
    )
    expect(CancelReason.allFromCause(cause)).toEqual([first, second])
    expect(CancelReason.fromCause(cause)).toEqual(Option.some(first))
    expect(CancelReason.fromExit(Exit.failCause(cause))).toEqual(Option.some(first))
  })

  it.effect("names the fiber of an interruption without a reason", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.never, { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      const reason = Option.getOrThrow(CancelReason.fromExit(yield* Fiber.await(fiber)))
      expect(reason.message).toMatch(/^Interrupted by fiber #\d+$/)
    })
  )

  it("is printed by Cause.pretty below the interrupted fiber, in one line, with the asking thread", () => {
    const asked = { ...CancelReason.shutdown({ message: "closing\ntime" }), by: "main", at: 7 }
    const printed = Cause.pretty(Cause.combine(CancelReason.toCause(asked), CancelReason.toCause(all[0]!))).split("\n")
    expect(printed.map((line) => line.trim())).toEqual([
      "InterruptError: All fibers interrupted without error {",
      "[cause]: InterruptCause: The fiber was interrupted by:",
      "at fiber (unknown)",
      'at Shutdown "closing\\ntime", asked by "main"',
      "at fiber (unknown)",
      'at Stopped "Asked to stop"',
      "}"
    ])
  })

  it("does not stop Cause.pretty, if the reason throws when it is read", () => {
    const { proxy, revoke } = Proxy.revocable(CancelReason.interrupted(), {})
    const cause = CancelReason.toCause(proxy)
    revoke()
    expect(Cause.pretty(cause)).toContain("at a reason that can't be read")
  })

  it("is none without an interruption", () => {
    expect(CancelReason.fromExit(Exit.void)).toEqual(Option.none())
    expect(CancelReason.fromCause(Cause.fail("no"))).toEqual(Option.none())
    expect(CancelReason.allFromCause(Cause.die("bad"))).toEqual([])
  })
})
