/** The tree of threads inside a worker, by the inspector's line: the engine answers also while the worker is busy. */
import type { DumpedPlace, ThreadDump } from "@quiesce/core/ThreadDump"
import * as Schemas from "@quiesce/core/Schemas"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Attachment } from "../../inspector/attachment.ts"

const name = "quiesce-dump"

/**
 * The engine evaluates the expression on top of the busy code, so an error that is made there has the stack of that code.
 * `ThreadDump.expose` of core has set the dump, unless the worker runs plain functions.
 */
const expression = `JSON.stringify({
  stack: String(new Error().stack),
  dump: globalThis[Symbol.for("@quiesce/core/dump")]?.()
})
//# sourceURL=${name}`

const Reply = Schema.Struct({
  result: Schema.Struct({
    value: Schema.fromJsonString(
      Schema.Struct({
        stack: Schema.String,
        dump: Schema.optionalKey(Schema.fromJsonString(Schemas.ThreadDump))
      })
    )
  })
})

const decode = Schema.decodeUnknownEffect(Reply)

/** The worker's own thread is always there. */
const isIdle = ({ leases, threads }: ThreadDump): boolean =>
  leases.length === 0 && threads.every((thread) => thread.leases.length === 0 && thread.children.length === 0)

/** The stack without the frame of the expression. An idle worker has no other frame. */
const below = (stack: string): string =>
  stack
    .split("\n")
    .slice(1)
    .filter((frame) => !frame.includes(`${name}:`))
    .join("\n")

/** An idle worker has no row, and neither has a worker that gives no usable answer. */
export const of = (attachment: Attachment, threadId: number): Effect.Effect<ReadonlyArray<DumpedPlace>> =>
  // A worker that is about to halt would do so in the expression.
  attachment.exclusive
    .withPermit(attachment.post("Runtime.evaluate", { expression, returnByValue: true, silent: true }))
    .pipe(
      Effect.flatMap(decode),
      Effect.map(({ result: { value } }) => {
        const stack = below(value.stack)
        if (stack === "" && (value.dump === undefined || isIdle(value.dump))) return []
        const place = value.dump === undefined ? {} : { dump: value.dump }
        return [{ name: `worker-${threadId}`, ...place, ...(stack === "" ? {} : { stack }) }]
      }),
      Effect.orElseSucceed(() => [])
    )
