import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeToHost, decodeToWorker, type ToHost, type ToWorker } from "../src/internal/wire/message.ts"

const succeeded = { _tag: "Success", value: 7 } as const
const failed = {
  _tag: "Failure",
  cause: [
    { _tag: "Fail", error: "no" },
    { _tag: "Die", defect: "bug" },
    { _tag: "Interrupt", reason: {} }
  ]
} as const

/** One valid message of each kind. */
const toHost: { readonly [Tag in ToHost["_tag"]]: Extract<ToHost, { readonly _tag: Tag }> } = {
  Ready: { _tag: "Ready", unwind: { _tag: "SectionsOnly", why: "it is a bundle" }, problem: "a field is missing" },
  Failed: { _tag: "Failed", problem: "a layer failed" },
  ThreadStarted: { _tag: "ThreadStarted", threadId: 3 },
  ThreadEnded: { _tag: "ThreadEnded", threadId: 3 },
  Exit: { _tag: "Exit", id: 1, exit: failed },
  Chunk: { _tag: "Chunk", id: 1, values: [1, 2] },
  Raised: { _tag: "Raised", raise: 1, delivered: true },
  LeaseHeld: { _tag: "LeaseHeld", id: 1, lease: 2, name: "file" },
  LeaseEnded: { _tag: "LeaseEnded", id: 1, lease: 2, fate: "released", error: null },
  Acquire: { _tag: "Acquire", id: 1, lease: 2, name: "folder", payload: {} },
  Release: { _tag: "Release", id: 1, lease: 2, exit: succeeded }
}

const toWorker: { readonly [Tag in ToWorker["_tag"]]: Extract<ToWorker, { readonly _tag: Tag }> } = {
  Start: { _tag: "Start", id: 1, slot: 0, task: "Add", name: "sum", payload: {} },
  Stop: { _tag: "Stop", id: 1, reason: {} },
  Interrupt: { _tag: "Interrupt", id: 1, reason: {} },
  Raise: { _tag: "Raise", id: 1, raise: 2, error: {} },
  Withdraw: { _tag: "Withdraw", raise: 2 },
  Pull: { _tag: "Pull", id: 1, count: 4 },
  Acquired: { _tag: "Acquired", id: 1, lease: 2, exit: succeeded },
  Refused: { _tag: "Refused", id: 1, lease: 2, problem: "no handler" },
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

/** Anything that structured clone could give, with words of the protocol in it. */
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
    it("accepts each kind of message, alone and in a batch, as it is", () => {
      for (const message of messages) expect(decode([message])).toEqual([message])
      expect(decode(messages)).toEqual(messages)
      expect(decode([])).toEqual([])
    })

    it("never throws, and accepts no garbage", () => {
      fc.assert(
        fc.property(fc.oneof(garbage, fc.array(garbage, { maxLength: 3 })), (u) => {
          const decoded = decode(u)
          if (decoded === undefined) return
          // What it accepts is the very array, of messages whose tag is a word of the protocol.
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
            const isArray = field === "values" && Array.isArray(other)
            if (isAllowed || isArray || (isNullable && (other === null || typeof other === "string"))) continue
            expect(decode([{ ...rest, [field]: other }]), `${String(message["_tag"])} ${field}`).toBeUndefined()
          }
        }
      }
    })

    it("refuses the whole batch when one message in it is not of the protocol", () => {
      fc.assert(
        fc.property(fc.nat(messages.length), garbage, (at, u) => {
          fc.pre(decode([u]) === undefined)
          expect(decode(messages.toSpliced(at, 0, u as never))).toBeUndefined()
        })
      )
    })

    it("refuses a tag that is not a string, such as one whose text is that of a tag or can't be made", () => {
      const untextable = { toString: () => Symbol("no text") }
      for (const message of messages) {
        for (const tag of [[message["_tag"]], { toString: () => message["_tag"] }, untextable, Object.create(null)]) {
          expect(decode([{ ...message, _tag: tag as unknown }])).toBeUndefined()
        }
      }
    })

    it("refuses the names of what every object inherits", () => {
      for (const _tag of ["toString", "constructor", "__proto__", "hasOwnProperty"]) {
        expect(decode([{ _tag }])).toBeUndefined()
      }
    })
  })
}

describe("an exit", () => {
  it("is refused when any of its reasons is not one", () => {
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

describe("Ready", () => {
  it("is refused when it does not say what can be ended in the worker, or not why no more", () => {
    for (const unwind of [{ _tag: "None" }, { _tag: "SectionsOnly", why: 1 }, { _tag: "All" }, "None", null]) {
      expect(decodeToHost([{ _tag: "Ready", unwind, problem: null }])).toBeUndefined()
    }
    const ready = { _tag: "Ready", unwind: { _tag: "SectionsAndOtherCode" }, problem: null }
    expect(decodeToHost([ready])).toEqual([ready])
  })
})
