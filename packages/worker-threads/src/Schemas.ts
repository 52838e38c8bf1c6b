/**
 * The Schemas of the errors of this package, for a contract whose handler uses a pool of its own or locks. A program
 * that does not import this module has no Schema of errors in its bundle.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Locks from "./LockError.ts"
import * as Errors from "./WorkerError.ts"

/** The remedy, for a caller without a contract. */
const remedy = Schema.optionalKey(Schema.String)

const WorkerErrorReason: Schema.Codec<Errors.WorkerErrorReason> = Schema.Union([
  Schema.TaggedStruct("SpawnFailed", { attempts: Schema.Number, problem: Schema.String }),
  Schema.TaggedStruct("WorkerExited", { code: Schema.NullOr(Schema.Number), problem: Schema.String }),
  Schema.TaggedStruct("NotSendable", { task: Schema.String, problem: Schema.String, remedy }),
  Schema.TaggedStruct("ResultNotSendable", { task: Schema.String, problem: Schema.String, remedy }),
  Schema.TaggedStruct("BadReply", { task: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("QueueFull", { bound: Schema.Number }),
  Schema.TaggedStruct("PoolClosed", {}),
  Schema.TaggedStruct("WrongKind", { task: Schema.String, isStream: Schema.Boolean }),
  Schema.TaggedStruct("UnknownTask", { task: Schema.String }),
  Schema.TaggedStruct("InvalidOption", { option: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("WouldBlockForever", { lock: Schema.String }),
  Schema.TaggedStruct("NotHeld", { lock: Schema.String }),
  Schema.TaggedStruct("LeaseRefused", { lease: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("UnknownLease", { lease: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("BadTaskModule", { url: Schema.String, problem: Schema.String, remedy })
])

/**
 * The encoded form of a `WorkerError`. The `cause` of the error does not cross.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface EncodedWorkerError {
  readonly _tag: "WorkerError"
  readonly reason: Errors.WorkerErrorReason
}

/**
 * The Schema of a `WorkerError`, for example as the error of an `Rpc` whose handler calls a pool.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const WorkerError: Schema.Codec<Errors.WorkerError, EncodedWorkerError> = Schema.TaggedStruct("WorkerError", {
  reason: WorkerErrorReason
}).pipe(
  Schema.decodeTo(Schema.instanceOf(Errors.WorkerError), {
    decode: SchemaGetter.transform(({ reason }) => Errors.make(reason)),
    encode: SchemaGetter.transform(({ reason }) => ({ _tag: "WorkerError" as const, reason }))
  })
)

const LockErrorReason: Schema.Codec<Locks.LockErrorReason> = Schema.Union([
  Schema.TaggedStruct("OwnerDied", { lock: Schema.String, threadId: Schema.Number }),
  Schema.TaggedStruct("LockUnusable", { lock: Schema.String, threadId: Schema.Number }),
  Schema.TaggedStruct("LockTimedOut", { lock: Schema.String, millis: Schema.Number }),
  Schema.TaggedStruct("LockFull", { lock: Schema.String, problem: Schema.String })
])

/**
 * The encoded form of a `LockError`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface EncodedLockError {
  readonly _tag: "LockError"
  readonly reason: Locks.LockErrorReason
}

/**
 * The Schema of a `LockError`, for example as the error of an `Rpc` whose handler locks.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const LockError: Schema.Codec<Locks.LockError, EncodedLockError> = Schema.TaggedStruct("LockError", {
  reason: LockErrorReason
}).pipe(
  Schema.decodeTo(Schema.instanceOf(Locks.LockError), {
    decode: SchemaGetter.transform(({ reason }) => Locks.make(reason)),
    encode: SchemaGetter.transform(({ reason }) => ({ _tag: "LockError" as const, reason }))
  })
)
