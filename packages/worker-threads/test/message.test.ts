import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CancelReason, ForcedEnd } from "@quiesce/core"
import { Cause, Effect, Exit, Option, Schema } from "effect"
import {
  exitFromWire,
  exitToWire,
  make as makeCodec,
  reasonFromWire,
  reasonToWire
} from "../src/internal/wire/codec.ts"
import type { ToHost, ToWorker } from "../src/internal/wire/message.ts"
import { decodeToHost, problemToHost } from "../src/internal/wire/toHost.ts"
import { decodeToWorker } from "../src/internal/wire/toWorker.ts"

const nothing = makeCodec("Nothing", { payload: Schema.Void, success: Schema.Void, error: Schema.Never })

/** An array whose text has 2 to the power of `depth` parts, because each level contains the next one twice. */
const sharedParts = (depth: number): unknown => {
  let value: unknown = "leaf"
  for (let i = 0; i < depth; i++) value = [value, value]
  return value
}

const holes = (): unknown => Object.assign([], { length: 2 ** 32 - 1 })

const succeeded = { _tag: "Success", value: 7 } as const
const failed = {
  _tag: "Failure",
  cause: [
    { _tag: "Fail", error: "no" },
    { _tag: "Die", defect: "bug" },
    { _tag: "Interrupt", reason: {} },
    { _tag: "Killed", reason: {}, thread: "inner", lost: ["page"] }
  ]
} as const

/** One valid message of each kind. */
const toHost: { readonly [Tag in ToHost["_tag"]]: Extract<ToHost, { readonly _tag: Tag }> } = {
  Ready: { _tag: "Ready", unwind: { _tag: "SectionsOnly", why: "it is a bundle" }, problem: "a field is missing" },
  Failed: { _tag: "Failed", problem: "a layer failed" },
  ThreadStarted: { _tag: "ThreadStarted", threadId: 3 },
  ThreadEnded: { _tag: "ThreadEnded", threadId: 3 },
  Exit: { _tag: "Exit", id: 1, exit: failed },
  Unsendable: { _tag: "Unsendable", id: 1, problem: "a function could not be cloned" },
  Chunk: { _tag: "Chunk", id: 1, values: [1, 2] },
  Reserved: { _tag: "Reserved", raise: 1 },
  Raised: { _tag: "Raised", raise: 1, delivered: true },
  LeaseHeld: { _tag: "LeaseHeld", id: 1, lease: 2, name: "file" },
  LeaseEnded: { _tag: "LeaseEnded", id: 1, lease: 2, result: "released", error: null },
  Acquire: { _tag: "Acquire", id: 1, lease: 2, name: "folder", payload: {} },
  Release: { _tag: "Release", id: 1, lease: 2, exit: succeeded }
}

const toWorker: { readonly [Tag in ToWorker["_tag"]]: Extract<ToWorker, { readonly _tag: Tag }> } = {
  Start: { _tag: "Start", id: 1, slot: 0, task: "Add", name: "sum", payload: {}, trace: null },
  Stop: { _tag: "Stop", id: 1, reason: {} },
  Interrupt: { _tag: "Interrupt", ids: [1, 2], reason: {} },
  Raise: { _tag: "Raise", id: 1, raise: 2, error: {} },
  Withdraw: { _tag: "Withdraw", raise: 2 },
  Commit: { _tag: "Commit", raise: 2 },
  Pull: { _tag: "Pull", id: 1, count: 4 },
  Acquired: { _tag: "Acquired", id: 1, lease: 2, exit: succeeded },
  Refused: { _tag: "Refused", id: 1, lease: 2, problem: "no handler", unknown: true },
  Released: { _tag: "Released", id: 1, lease: 2, problem: null },
  Unwound: { _tag: "Unwound", run: 5 },
  Repair: { _tag: "Repair", id: 1 },
  Close: { _tag: "Close" }
}

/** The contents that the Schemas of the contract check; the envelope takes anything there. */
const contents = new Set(["payload", "reason", "error", "value", "defect"])

const directions = [
  { from: "a worker", decode: decodeToHost, messages: Object.values<Record<string, unknown>>(toHost as never) },
  {
    from: "the host",
    decode: decodeToWorker,
    messages: Object.values<Record<string, unknown>>(toWorker as never)
  }
] as const

/** Any value that structured clone could return, with words of the protocol in it. */
const word = fc.constantFrom(...Object.keys(toHost), ...Object.keys(toWorker), "_tag", "id", "lease", "exit", "cause")
const garbage = fc.anything({
  key: fc.oneof(word, fc.string()),
  values: [fc.oneof(word), fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constantFrom(null, undefined)],
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true
})

for (const { decode, messages, from } of directions) {
  describe(`a message from ${from}`, () => {
    it("accepts each kind of message, alone and in a batch, without a change", () => {
      for (const message of messages) expect(decode([message])).toEqual([message])
      expect(decode(messages)).toEqual(messages)
      expect(decode([])).toEqual([])
    })

    it("never throws, and accepts no garbage", () => {
      fc.assert(
        fc.property(fc.oneof(garbage, fc.array(garbage, { maxLength: 3 })), (u) => {
          const decoded = decode(u)
          if (decoded === undefined) return
          // An accepted value is the same array, and the tag of each message is a word of the protocol.
          expect(decoded).toBe(u)
          for (const { _tag } of decoded) expect(messages.some((message) => message["_tag"] === _tag)).toBe(true)
        }),
        { numRuns: 2_000 }
      )
    })

    it("refuses a message with one field of the envelope missing or of another type", () => {
      const otherTypes: ReadonlyArray<unknown> = [undefined, null, {}, [], "word", 1.5, NaN, true, 1n]
      for (const message of messages) {
        for (const field of Object.keys(message).filter((key) => !contents.has(key))) {
          const { [field]: value, ...rest } = message
          expect(decode([rest]), `${String(message["_tag"])} without ${field}`).toBeUndefined()
          for (const other of otherTypes) {
            const isAllowed = typeof other === typeof value && (typeof other === "string" || typeof other === "boolean")
            const isNullable = field === "problem" || field === "error"
            const isArray = (field === "values" || field === "ids") && Array.isArray(other)
            const isUntraced = field === "trace" && other === null
            if (isAllowed || isArray || isUntraced || (isNullable && (other === null || typeof other === "string")))
              continue
            expect(decode([{ ...rest, [field]: other }]), `${String(message["_tag"])} ${field}`).toBeUndefined()
          }
        }
      }
    })

    it("refuses the whole batch when one message in it is outside the protocol", () => {
      fc.assert(
        fc.property(fc.nat(messages.length), garbage, (at, u) => {
          fc.pre(decode([u]) === undefined)
          expect(decode(messages.toSpliced(at, 0, u as never))).toBeUndefined()
        })
      )
    })

    it("refuses a tag that is not a string, such as an object whose text is a tag, or whose text can't be made", () => {
      const untextable = { toString: () => Symbol("no text") }
      for (const message of messages) {
        for (const tag of [[message["_tag"]], { toString: () => message["_tag"] }, untextable, Object.create(null)]) {
          expect(decode([{ ...message, _tag: tag as unknown }])).toBeUndefined()
        }
      }
    })

    it("refuses a message with an additional field, an inherited field, or a hole", () => {
      for (const message of messages) {
        expect(decode([{ ...message, extra: 1 }])).toBeUndefined()
        const { _tag, ...fields } = message
        const inheriting: unknown = Object.assign(Object.create({ ...fields, _tag }), { own: 1 })
        expect(decode([inheriting])).toBeUndefined()
        expect(decode(Object.assign([message], { length: 2 }))).toBeUndefined()
      }
      expect(decode(holes())).toBeUndefined()
    })

    it("refuses numbers below zero or with a fraction, and texts without end", () => {
      for (const message of messages) {
        for (const [field, value] of Object.entries(message)) {
          if (field === "_tag" || contents.has(field)) continue
          const others = typeof value === "number" ? [-1, 0.5, 2 ** 53] : []
          if (typeof value === "string" && field !== "result") others.push("x".repeat(1_000_000) as never)
          for (const other of others) expect(decode([{ ...message, [field]: other }])).toBeUndefined()
        }
      }
    })

    it("refuses the names of inherited properties", () => {
      for (const _tag of ["toString", "constructor", "__proto__", "hasOwnProperty"]) {
        expect(decode([{ _tag }])).toBeUndefined()
      }
    })
  })
}

describe("an exit", () => {
  it("is refused when one of its reasons is invalid", () => {
    const bad = [{ _tag: "Success" }, { _tag: ["Fail"] }, null, "Fail"]
    for (const reason of bad) {
      const exit = { _tag: "Failure", cause: [{ _tag: "Fail", error: 1 }, reason] }
      expect(decodeToHost([{ _tag: "Exit", id: 1, exit }])).toBeUndefined()
    }
    for (const exit of [null, {}, { _tag: "Failure" }, { _tag: "Failure", cause: "no" }, { _tag: "Fail" }]) {
      expect(decodeToHost([{ _tag: "Exit", id: 1, exit }])).toBeUndefined()
    }
  })
})

describe("the problem of a refused message", () => {
  it("is a short text, for any message", () => {
    const shared = sharedParts(60)
    const parts: ReadonlyArray<unknown> = [shared, holes(), "x".repeat(1_000_000), [shared], { _tag: shared }]
    const refused = [
      ...parts,
      ...parts.map((part) => [part]),
      ...parts.map((_tag) => [{ _tag, id: 1 }]),
      ...parts.map((id) => [{ _tag: "Exit", id, exit: succeeded }]),
      ...parts.map((exit) => [{ _tag: "Exit", id: 1, exit }]),
      ...parts.map((cause) => [{ _tag: "Exit", id: 1, exit: { _tag: "Failure", cause } }]),
      ...parts.map((reason) => [{ _tag: "Exit", id: 1, exit: { _tag: "Failure", cause: [reason] } }])
    ]
    for (const raw of refused) {
      const problem = problemToHost(raw)
      expect(typeof problem).toBe("string")
      expect(problem!.length).toBeLessThan(10_000)
    }
  })

  it("names the field that is wrong", () => {
    expect(problemToHost([{ _tag: "Raised", raise: "7", delivered: true }])).toBe('"7" in place of a number in "raise"')
    expect(problemToHost([{ _tag: ["Exit"], id: 1 }])).toContain("none of the tags Ready, Failed")
    expect(problemToHost([succeeded])).toContain("none of the tags")
    const exit = { _tag: "Failure", cause: [{ _tag: "Fail", defect: 1 }] }
    expect(problemToHost([{ _tag: "Exit", id: 1, exit }])).toBe(
      '{"_tag":"Fail","defect":1} without "error" in "cause" in "exit"'
    )
    expect(problemToHost([toHost.Exit, toHost.Chunk])).toBeUndefined()
  })
})

describe("a reason or a defect with shared parts", () => {
  it("arrives as a short text, in both directions", () => {
    const shared = sharedParts(60)
    const reason = reasonFromWire(shared)
    expect(reason._tag).toBe("Aborted")
    expect(reason.message.length).toBeLessThan(10_000)
    expect(reasonFromWire({ _tag: "Aborted", message: "m", cause: shared }).message.length).toBeLessThan(10_000)
    const sent = reasonFromWire(reasonToWire(CancelReason.aborted(shared)))
    expect(sent).toMatchObject({ _tag: "Aborted", cause: expect.any(String) })

    const decoded = Effect.runSync(exitFromWire(nothing, { _tag: "Failure", cause: [{ _tag: "Die", defect: shared }] }))
    expect(String(decoded).length).toBeLessThan(10_000)
    for (const exit of [Exit.die(shared), Exit.fail(shared), Exit.die(new Error("a", { cause: shared }))]) {
      const encoded = Effect.runSync(exitToWire(nothing, exit, []))
      expect(JSON.stringify(encoded).length).toBeLessThan(20_000)
    }
  })
})

describe("the exit of a task that has joined a killed thread", () => {
  it("still names the killed thread and the lost leases, after a reason with the asking thread", () => {
    const reason = { ...CancelReason.shutdown({ message: "closing time" }), by: "main", at: 7 }
    const cause = ForcedEnd.annotate(CancelReason.toCause(reason), ForcedEnd.killed("inner", ["page", "lock"]))
    const encoded = Effect.runSync(exitToWire(nothing, Exit.failCause(cause), []))
    expect(decodeToHost([{ _tag: "Exit", id: 1, exit: encoded }])).toHaveLength(1)
    const decoded = Effect.runSync(exitFromWire(nothing, structuredClone(encoded)))
    expect(ForcedEnd.fromExit(decoded)).toEqual(Option.some(ForcedEnd.killed("inner", ["page", "lock"])))
    expect(CancelReason.fromExit(decoded)).toEqual(Option.some(reason))
    expect(Exit.isFailure(decoded) && Cause.pretty(decoded.cause)).toBe(Cause.pretty(cause))
  })
})

describe("a value that is too deep for its Schema", () => {
  it("is a problem, and does not throw", () => {
    const List: Schema.Codec<List> = Schema.suspend(() => Schema.Struct({ next: Schema.NullOr(List) }))
    let deep: List = { next: null }
    for (let i = 0; i < 100_000; i++) deep = { next: deep }
    const { success } = makeCodec("Deep", { payload: Schema.Void, success: List, error: Schema.Never })
    expect(typeof Effect.runSync(Effect.flip(success.decode(deep)))).toBe("string")
  })
})

interface List {
  readonly next: List | null
}

describe("Ready", () => {
  it("is refused without the kinds of code that can be ended in the worker, and without the reason for missing kinds", () => {
    for (const unwind of [{ _tag: "None" }, { _tag: "SectionsOnly", why: 1 }, { _tag: "All" }, "None", null]) {
      expect(decodeToHost([{ _tag: "Ready", unwind, problem: null }])).toBeUndefined()
    }
    const ready = { _tag: "Ready", unwind: { _tag: "SectionsAndOtherCode" }, problem: null }
    expect(decodeToHost([ready])).toEqual([ready])
  })
})
