/** The dialect of pools of plain functions: reasons, errors and exits cross without Schemas. */
import * as CancelReason from "@quiesce/core/CancelReason"
import { hasAtMost, messageOf, plainReason, textOf } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Dialect } from "../../wire/dialect.ts"
import { transferable } from "../../wire/largeBytes.ts"
import { type EncodedReason, maxReasons } from "../../wire/message.ts"
import type { Problem, TaskCodec, Wire } from "../../wire/wire.ts"
import { type Call, isBadModule, task } from "../contract.ts"
import { canCross, isThrown, rethrown } from "../thrown.ts"
import { LoadProblem } from "./loadProblem.ts"

const asItIs: Wire = {
  isPlain: true,
  encode: (value) => Effect.succeed(value),
  decode: (value) => Exit.succeed(value)
}

const refused: Wire = {
  isPlain: false,
  encode: () => Effect.fail("a call of a plain function has no typed error"),
  decode: () => Effect.fail("a call of a plain function has no typed error")
}

/** Values cross by structured clone. */
export const codec: TaskCodec = { name: task, payload: asItIs, success: asItIs, error: refused, element: asItIs }

/** A cause with more parts crosses as its text. */
const isSmall = (u: unknown): boolean => hasAtMost(u, 10_000, 100)

const reasonToWire = (reason: CancelReason.CancelReason): unknown => {
  const plain = plainReason(reason)
  if (plain._tag !== "Aborted" || (isSmall(plain.cause) && canCross(plain.cause))) return plain
  return { ...plain, cause: textOf(plain.cause) }
}

const reasonOf = (encoded: unknown): CancelReason.CancelReason =>
  CancelReason.isCancelReason(encoded)
    ? plainReason(encoded)
    : CancelReason.aborted(isSmall(encoded) ? encoded : textOf(encoded))

const decodeReason = (reason: EncodedReason): Cause.Reason<unknown> | Problem => {
  switch (reason._tag) {
    case "Fail":
      if (isThrown(reason.error)) return Cause.makeFailReason(rethrown(reason.error))
      if (isBadModule(reason.error)) return Cause.makeFailReason(LoadProblem.from(reason.error))
      return "its error is none that a plain function throws"
    case "Die":
      return Cause.makeDieReason(isThrown(reason.defect) ? rethrown(reason.defect) : new Error(textOf(reason.defect)))
    case "Interrupt":
      return CancelReason.toCause(reasonOf(reason.reason)).reasons[0]!
    case "Killed":
      return "a plain function has no thread of its own that could be killed"
  }
}

export const plainDialect: Dialect = {
  reasonToWire,
  errorToWire: messageOf,
  transferred: (payload) => {
    // The payload is a call.
    const bytes = transferable((payload as Call).input)
    return bytes && { payload: { ...(payload as Call), input: bytes }, transfers: [bytes.buffer] }
  },
  exitFromWire: (_, encoded) => {
    if (encoded._tag === "Success") return Effect.succeed(Exit.succeed(encoded.value))
    const reasons: Array<Cause.Reason<unknown>> = []
    for (const reason of encoded.cause.slice(0, maxReasons)) {
      const decoded = decodeReason(reason)
      if (typeof decoded === "string") return Effect.fail(decoded)
      reasons.push(decoded)
    }
    return Effect.succeed(Exit.failCause(Cause.fromReasons(reasons)))
  }
}
