/**
 * The Schemas of the data and errors that cross threads, are stored or are sent. A program that imports none of them has no
 * Schema in its bundle.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type * as Reason from "./CancelReason.ts"
import * as Deadline from "./Deadline.ts"
import { rungs } from "./Escalation.ts"
import type * as Report from "./ShutdownReport.ts"
import type * as Dump from "./ThreadDump.ts"
import * as Errors from "./ThreadError.ts"

const asked = {
  message: Schema.String,
  by: Schema.optional(Schema.String),
  at: Schema.optional(Schema.Number)
}

/**
 * The Schema of a reason. The `cause` of `Aborted` is encoded as a defect: its name, message and stack survive, its
 * identity does not.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const CancelReason: Schema.Codec<Reason.CancelReason, unknown> = Schema.Union([
  Schema.TaggedStruct("Stopped", asked),
  Schema.TaggedStruct("Interrupted", asked),
  Schema.TaggedStruct("TimedOut", { ...asked, millis: Schema.Number }),
  Schema.TaggedStruct("DeadlineExceeded", { ...asked, deadline: Schema.Number }),
  Schema.TaggedStruct("ParentEnded", { ...asked, parent: Schema.String }),
  Schema.TaggedStruct("SiblingFailed", { ...asked, sibling: Schema.String }),
  Schema.TaggedStruct("Shutdown", { ...asked, signal: Schema.optional(Schema.String) }),
  Schema.TaggedStruct("Moved", { ...asked, from: Schema.String }),
  Schema.TaggedStruct("Lost", { ...asked, from: Schema.String }),
  Schema.TaggedStruct("Aborted", { ...asked, cause: Schema.Defect() })
])

const RungSchema = Schema.Literals(rungs)

const LeaseOutcomes = Schema.Array(
  Schema.Struct({
    lease: Schema.String,
    thread: Schema.String,
    heldMillis: Schema.Number,
    error: Schema.NullOr(Schema.String)
  })
)

/**
 * The Schema of the end of a thread.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Ending: Schema.Codec<Report.Ending, unknown> = Schema.Union([
  Schema.TaggedStruct("Succeeded", {}),
  Schema.TaggedStruct("Failed", { error: Schema.String }),
  Schema.TaggedStruct("Interrupted", { reason: CancelReason }),
  Schema.TaggedStruct("NeverStarted", { reason: CancelReason }),
  Schema.TaggedStruct("Killed", { reason: CancelReason }),
  Schema.TaggedStruct("Crashed", { error: Schema.String }),
  Schema.TaggedStruct("Abandoned", {})
])

/**
 * The Schema of a report.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const ShutdownReport: Schema.Codec<Report.ShutdownReport, unknown> = Schema.Struct({
  thread: Schema.String,
  reason: CancelReason,
  startedAt: Schema.Number,
  millis: Schema.Number,
  rung: Schema.NullOr(RungSchema),
  attempts: Schema.Array(
    Schema.Union([
      Schema.TaggedStruct("Ended", { rung: RungSchema, at: Schema.Number, millis: Schema.Number }),
      Schema.TaggedStruct("Overtaken", { rung: RungSchema, at: Schema.Number, millis: Schema.Number, to: RungSchema }),
      Schema.TaggedStruct("Outwaited", {
        rung: RungSchema,
        at: Schema.Number,
        millis: Schema.Number,
        stack: Schema.NullOr(Schema.String),
        finalizer: Schema.NullOr(Schema.String),
        why: Schema.NullOr(Schema.String)
      }),
      Schema.TaggedStruct("Unavailable", { rung: RungSchema, at: Schema.Number, why: Schema.String })
    ])
  ),
  ending: Ending,
  released: LeaseOutcomes,
  failed: LeaseOutcomes,
  timedOut: LeaseOutcomes,
  lost: LeaseOutcomes
})

const DumpedLease = Schema.Struct({
  name: Schema.String,
  ageMillis: Schema.Number,
  releasingMillis: Schema.NullOr(Schema.Number),
  place: Schema.optionalKey(Schema.String)
})

const DumpedThread: Schema.Codec<Dump.DumpedThread, unknown> = Schema.Struct({
  id: Schema.Number,
  name: Schema.String,
  status: Schema.Literals(["queued", "running", "stopping", "cancelled", "abandoned", "done"]),
  rung: Schema.NullOr(Schema.Literals(rungs)),
  reason: Schema.NullOr(CancelReason),
  ageMillis: Schema.Number,
  runsOn: Schema.optionalKey(Schema.String),
  stack: Schema.optionalKey(Schema.String),
  leases: Schema.Array(DumpedLease),
  children: Schema.Array(Schema.suspend((): Schema.Codec<Dump.DumpedThread, unknown> => DumpedThread))
})

/**
 * The Schema of a place in a dump, such as a worker.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const DumpedPlace: Schema.Codec<Dump.DumpedPlace, unknown> = Schema.Struct({
  name: Schema.String,
  note: Schema.optionalKey(Schema.String),
  stack: Schema.optionalKey(Schema.String),
  dump: Schema.optionalKey(Schema.suspend((): Schema.Codec<Dump.ThreadDump, unknown> => ThreadDump))
})

/**
 * The Schema of a dump.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const ThreadDump: Schema.Codec<Dump.ThreadDump, unknown> = Schema.Struct({
  at: Schema.Number,
  leases: Schema.Array(DumpedLease),
  threads: Schema.Array(DumpedThread),
  elsewhere: Schema.optionalKey(Schema.Array(DumpedPlace))
})

const ThreadErrorReason: Schema.Codec<Errors.ThreadErrorReason> = Schema.Union([
  Schema.TaggedStruct("InvalidArgument", { operation: Schema.String, given: Schema.String, takes: Schema.String }),
  Schema.TaggedStruct("InvalidReason", { given: Schema.String }),
  Schema.TaggedStruct("InvalidError", { given: Schema.String }),
  Schema.TaggedStruct("InvalidReceivable", { given: Schema.String }),
  Schema.TaggedStruct("InvalidDuration", { option: Schema.String, given: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("InvalidEscalation", { problem: Schema.String }),
  Schema.TaggedStruct("InvalidSection", { operation: Schema.String, given: Schema.String }),
  Schema.TaggedStruct("InvalidLease", { option: Schema.String, given: Schema.String }),
  Schema.TaggedStruct("InvalidRelease", { lease: Schema.String, given: Schema.String }),
  Schema.TaggedStruct("InvalidCapacity", { given: Schema.String }),
  Schema.TaggedStruct("MainThread", { operation: Schema.String }),
  Schema.TaggedStruct("SelfJoin", { thread: Schema.String }),
  Schema.TaggedStruct("ReleaseTimedOut", { lease: Schema.String, millis: Schema.Number }),
  Schema.TaggedStruct("Abandoned", { thread: Schema.String, finalizer: Schema.NullOr(Schema.String) })
])

/**
 * The encoded form of a `ThreadError`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface EncodedThreadError {
  readonly _tag: "ThreadError"
  readonly reason: Errors.ThreadErrorReason
}

/**
 * The Schema of a `ThreadError`.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const ThreadError: Schema.Codec<Errors.ThreadError, EncodedThreadError> = Schema.TaggedStruct("ThreadError", {
  reason: ThreadErrorReason
}).pipe(
  Schema.decodeTo(Schema.instanceOf(Errors.ThreadError), {
    decode: SchemaGetter.transform(({ reason }) => Errors.make(reason)),
    encode: SchemaGetter.transform(({ reason }) => ({ _tag: "ThreadError" as const, reason }))
  })
)

/**
 * The encoded form of a `DeadlineExceeded`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface EncodedDeadlineExceeded {
  readonly _tag: "DeadlineExceeded"
  readonly millis: number
  readonly suppressed: ReadonlyArray<unknown>
}

/**
 * The Schema of a `DeadlineExceeded`, for example as the error of an `Rpc` whose handler has a deadline. Each suppressed
 * failure is encoded as a defect.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const DeadlineExceeded: Schema.Codec<Deadline.DeadlineExceeded, EncodedDeadlineExceeded> = Schema.TaggedStruct(
  "DeadlineExceeded",
  { millis: Schema.Number, suppressed: Schema.Array(Schema.Defect()) }
).pipe(
  Schema.decodeTo(Schema.instanceOf(Deadline.DeadlineExceeded), {
    decode: SchemaGetter.transform(({ millis, suppressed }) => new Deadline.DeadlineExceeded({ millis, suppressed })),
    encode: SchemaGetter.transform(({ millis, suppressed }) => ({
      _tag: "DeadlineExceeded" as const,
      millis,
      suppressed
    }))
  })
)
