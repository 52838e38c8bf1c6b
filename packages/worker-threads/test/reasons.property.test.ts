/** A reason is sent without a Schema, with the same result as with a Schema. */
import { CancelReason } from "@quiesce/core"
import * as Schemas from "@quiesce/core/Schemas"
import { Schema } from "effect"
import * as fc from "fast-check"
import { expect, it } from "vitest"
import { reasonFromWire, reasonToWire } from "../src/internal/wire/codec.ts"

const tags = ["Stopped", "Interrupted", "TimedOut", "DeadlineExceeded", "ParentEnded", "SiblingFailed", "Shutdown"]
const value = fc.oneof(fc.string(), fc.double(), fc.constantFrom(undefined, null, {}))

/** Objects that are reasons, or almost. */
const given = fc.record(
  {
    _tag: fc.constantFrom<unknown>(...tags, "Moved", "Lost", "Aborted", "Other", ["Interrupted"], undefined),
    message: fc.oneof({ weight: 9, arbitrary: fc.string() }, value),
    by: fc.oneof(fc.string(), value),
    at: fc.oneof(fc.double(), value),
    millis: fc.oneof(fc.double(), value),
    deadline: fc.oneof(fc.double(), value),
    parent: fc.oneof(fc.string(), value),
    sibling: fc.oneof(fc.string(), value),
    signal: fc.oneof(fc.string(), value),
    from: fc.oneof(fc.string(), value),
    cause: value,
    more: fc.constant(() => {})
  },
  { requiredKeys: ["message"] }
)

const encode = Schema.encodeSync(Schemas.CancelReason)
const decode = Schema.decodeUnknownSync(Schemas.CancelReason)
const isOfSchema = Schema.is(Schemas.CancelReason)

/** The value without fields that are undefined. */
const defined = (u: object): object => Object.fromEntries(Object.entries(u).filter(([, value]) => value !== undefined))

it("isCancelReason is true for the type of the Schema", () => {
  fc.assert(
    fc.property(given, (value) => {
      expect(CancelReason.isCancelReason(value)).toBe(isOfSchema(value))
    }),
    { numRuns: 5_000 }
  )
})

it("a reason arrives as the Schema would have encoded and decoded it", () => {
  let reasons = 0
  fc.assert(
    fc.property(given, (value) => {
      if (!CancelReason.isCancelReason(value)) return
      reasons++
      const arrived = reasonFromWire(structuredClone(reasonToWire(value)))
      expect(defined(arrived)).toEqual(defined(decode(encode(value))))
    }),
    { numRuns: 5_000 }
  )
  expect(reasons).toBeGreaterThan(100)
})

it("any other value arrives as the cause of an Aborted", () => {
  for (const other of [1, "no", null, { _tag: "TimedOut", message: "late" }, new Error("no")]) {
    expect(reasonFromWire(other)).toMatchObject({ _tag: "Aborted", cause: other })
  }
})
