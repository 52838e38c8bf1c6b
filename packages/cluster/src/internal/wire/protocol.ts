/**
 * The messages between a client and the runner of a thread. Each thread is an entity of Effect's cluster with the id of
 * the thread, so that the engine decides where a thread runs and finds that runner again.
 *
 * `Start` starts a thread, and answers with the events of its first moment: a short thread costs one message and one answer.
 * `Run` is a stream that lasts as long as the thread; a client asks for the stream when the answer to `Start` has no end of
 * the thread. The engine sends both again after a lost connection; the runner then attaches them to the thread that runs
 * already. The other messages are short, and reach the thread beside `Run`. All are volatile, because the row of the thread makes a second start impossible.
 */
import * as Entity from "effect/cluster/Entity"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import { LeaseEnd } from "./outcome.ts"
import { RunnerId } from "./runnerId.ts"
import { SentReason } from "./sentReason.ts"

/** A thread that a client wants to run. `payload` is JSON. */
const Request = Schema.Struct({
  task: Schema.String,
  name: Schema.String,
  caller: Schema.String,
  payload: Schema.String
})

/** An event of a thread. After an attachment to a running thread, `Started` and the held leases come again. */
export const ThreadEvent = Schema.Union([
  Schema.TaggedStruct("Started", { token: Schema.Number, runner: RunnerId, canUnwind: Schema.Boolean }),
  Schema.TaggedStruct("Acquired", { lease: Schema.Number, name: Schema.String }),
  Schema.TaggedStruct("Released", LeaseEnd.fields),
  /** `outcome` is the JSON of an exit. */
  Schema.TaggedStruct("Ended", { outcome: Schema.String }),
  /** The thread was killed, or its runner is gone. */
  Schema.TaggedStruct("Killed", { reason: Schema.NullOr(Schema.String) }),
  /** The thread has not started and never will. */
  Schema.TaggedStruct("Cancelled", { reason: Schema.NullOr(Schema.String) }),
  /** The thread has not started here; another runner may start it. */
  Schema.TaggedStruct("Elsewhere", {}),
  Schema.TaggedStruct("UnknownTask", { runner: Schema.String }),
  /** The runner can't read the payload, and has not started the thread. */
  Schema.TaggedStruct("Misfit", { problem: Schema.String })
])
export type ThreadEvent = typeof ThreadEvent.Type

/** A request to a thread. Null if no such thread runs at this runner. */
const Answer = <S extends Schema.Top>(schema: S) => Schema.NullOr(schema)

const Unwound = Schema.Union([
  Schema.TaggedStruct("Unwound", { stack: Schema.optional(Schema.String) }),
  Schema.TaggedStruct("Idle", {}),
  Schema.TaggedStruct("Refused", { why: Schema.String, stack: Schema.optional(Schema.String) })
])

const reason = { reason: SentReason }

export const ThreadEntity = Entity.make("quiesce-thread", [
  Rpc.make("Start", { payload: Request, success: Schema.Array(ThreadEvent) }),
  Rpc.make("Run", { payload: Request, success: ThreadEvent, stream: true }),
  Rpc.make("Stop", { payload: reason, success: Answer(Schema.Boolean) }),
  Rpc.make("Interrupt", { payload: reason, success: Answer(Schema.Boolean) }),
  Rpc.make("Kill", { payload: reason, success: Answer(Schema.Boolean) }),
  Rpc.make("Unwind", { success: Answer(Unwound) }),
  Rpc.make("Raise", { payload: { error: Schema.Json }, success: Answer(Schema.Boolean) }),
  Rpc.make("Locate", { success: Answer(Schema.String) })
])
