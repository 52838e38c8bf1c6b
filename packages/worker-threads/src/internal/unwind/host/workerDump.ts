/** The tree of threads inside a worker, by the inspector's line: the engine answers also while the worker is busy. */
import type { DumpedPlace, ThreadDump } from "@quiesce/core/ThreadDump"
import * as Schemas from "@quiesce/core/Schemas"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Attachment } from "../../inspector/attachment.ts"

/** `ThreadDump.expose` of core has set it, unless the worker runs plain functions. */
const expression = `globalThis[Symbol.for("@quiesce/core/dump")]?.()`

const Reply = Schema.Struct({
  result: Schema.Struct({ value: Schema.fromJsonString(Schemas.ThreadDump) })
})

const decode = Schema.decodeUnknownEffect(Reply)

/** The worker's own thread is always there. */
const isIdle = ({ leases, threads }: ThreadDump): boolean =>
  leases.length === 0 && threads.every((thread) => thread.leases.length === 0 && thread.children.length === 0)

/** An idle worker has no row, and neither has a worker that gives no usable answer. */
export const of = (attachment: Attachment, threadId: number): Effect.Effect<ReadonlyArray<DumpedPlace>> =>
  // A worker that is about to halt would do so in the expression.
  attachment.exclusive
    .withPermit(attachment.post("Runtime.evaluate", { expression, returnByValue: true, silent: true }))
    .pipe(
      Effect.flatMap(decode),
      Effect.map(({ result: { value } }) => (isIdle(value) ? [] : [{ name: `worker-${threadId}`, dump: value }])),
      Effect.orElseSucceed(() => [])
    )
