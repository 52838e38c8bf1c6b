import { Schemas, WorkerError } from "@quiesce/worker-threads"
import { Schema } from "effect"
import { expect, it } from "vitest"

const all: ReadonlyArray<WorkerError.WorkerErrorReason> = [
  { _tag: "SpawnFailed", attempts: 5, problem: "no module" },
  { _tag: "WorkerExited", code: 1, problem: "out of memory" },
  { _tag: "WorkerExited", code: null, problem: "gone" },
  { _tag: "NotSendable", task: "Encode", problem: "a function" },
  { _tag: "NotSendable", task: "Encode", problem: "a function", remedy: "Send data." },
  { _tag: "ResultNotSendable", task: "Encode", problem: "a function" },
  { _tag: "BadReply", task: "Encode", problem: "no number" },
  { _tag: "QueueFull", bound: 3 },
  { _tag: "PoolClosed" },
  { _tag: "WrongKind", task: "Encode", isStream: true },
  { _tag: "UnknownTask", task: "Encode" },
  { _tag: "InvalidOption", option: "size", problem: "0 is no number of workers" },
  { _tag: "WouldBlockForever", lock: "l" },
  { _tag: "NotHeld", lock: "l" },
  { _tag: "LeaseRefused", lease: "file", problem: "no handler" },
  { _tag: "UnknownLease", lease: "file", problem: "no handler" },
  { _tag: "BadTaskModule", url: "file:///a.js", problem: "no default export" },
  { _tag: "BadTaskModule", url: "file:///a.js", problem: "its loading failed", remedy: "Mend it." }
]

it("each kind of WorkerError survives JSON, with its message", () => {
  for (const reason of all) {
    const error = WorkerError.make(reason)
    const json = JSON.stringify(Schema.encodeSync(Schemas.WorkerError)(error))
    const decoded = Schema.decodeUnknownSync(Schemas.WorkerError)(JSON.parse(json))
    expect(WorkerError.isWorkerError(decoded)).toBe(true)
    expect(decoded.reason).toEqual(reason)
    expect(decoded.message).toBe(error.message)
  }
})

it("a value that is no WorkerError is refused", () => {
  const wrong = [{ _tag: "WorkerError" }, { _tag: "WorkerError", reason: { _tag: "Other" } }, "no", null]
  for (const given of wrong)
    expect(() => Schema.decodeUnknownSync(Schemas.WorkerError)(given)).toThrow(/Expected|Missing/)
})
