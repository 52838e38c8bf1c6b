import { describe, expect, it } from "@effect/vitest"
import { ThreadError } from "@quiesce/core"
import * as Schemas from "@quiesce/core/Schemas"
import { Effect, Exit, Schema } from "effect"

const all: ReadonlyArray<ThreadError.ThreadErrorReason> = [
  { _tag: "InvalidArgument", operation: "Thread.join", given: "5", takes: "a thread" },
  { _tag: "InvalidReason", given: "1" },
  { _tag: "InvalidError", given: "1" },
  { _tag: "InvalidReceivable", given: "1" },
  { _tag: "InvalidDuration", option: "settle", given: "-1", problem: "a time can't be negative" },
  { _tag: "InvalidSection", operation: "Blocking.interruptible", given: "a Promise" },
  { _tag: "InvalidLease", option: "acquire", given: "a Promise" },
  { _tag: "InvalidEscalation", problem: "it has no rung" },
  { _tag: "MainThread", operation: "Thread.interrupt" },
  { _tag: "SelfJoin", thread: "a" },
  { _tag: "ReleaseTimedOut", lease: "l", millis: 5 },
  { _tag: "Abandoned", thread: "a", finalizer: null },
  { _tag: "Abandoned", thread: "a", finalizer: "l" }
]

describe("ThreadError", () => {
  it("survives JSON, each kind, with its message", () => {
    for (const reason of all) {
      const error = ThreadError.make(reason)
      const json = JSON.stringify(Schema.encodeSync(Schemas.ThreadError)(error))
      const decoded = Schema.decodeUnknownSync(Schemas.ThreadError)(JSON.parse(json))
      expect(ThreadError.isThreadError(decoded)).toBe(true)
      expect(decoded.reason).toEqual(reason)
      expect(decoded.message).toBe(error.message)
    }
  })

  it("names the event, the fix and the given value", () => {
    for (const reason of all) {
      const { message } = ThreadError.make(reason)
      const given = Object.values(reason)
        .slice(1)
        .flat()
        .filter((value) => value !== null)
      for (const value of given) expect(message).toContain(String(value))
      expect(message.split(/[.!] /).length).toBeGreaterThan(1)
    }
  })

  it("prints its message", () => {
    const error = ThreadError.make({ _tag: "SelfJoin", thread: "a" })
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      _tag: "ThreadError",
      message: error.message,
      reason: { _tag: "SelfJoin", thread: "a" }
    })
  })

  it.effect("is a failure that can be yielded, and can be caught by its tag", () =>
    Effect.gen(function* () {
      const failing = Effect.gen(function* () {
        return yield* ThreadError.make(all[0]!)
      })
      expect(yield* Effect.catchTag(failing, "ThreadError", (error) => Effect.succeed(error.reason))).toEqual(all[0])
    })
  )

  it("can't be decoded from any other value", () => {
    const decode = Schema.decodeUnknownExit(Schemas.ThreadError)
    expect(Exit.isFailure(decode({ _tag: "ThreadError", reason: { _tag: "Other" } }))).toBe(true)
  })
})
