/**
 * The expression that a thread of another process evaluates: its number, its stack and its dump as JSON.
 *
 * The engine evaluates an expression also in the middle of a busy loop, on top of the stack of the loop. So the stack of an
 * error that is made there is the stack of the busy code, and no debugger has to halt the thread.
 */
import type { ThreadDump } from "@quiesce/core/ThreadDump"
import * as Schemas from "@quiesce/core/Schemas"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const name = "quiesce-ps"

const frames = 50

export const expression: string = `(() => {
  const { prepareStackTrace, stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = ${frames}
    Error.prepareStackTrace = undefined
    const { stack } = new Error()
    let dump, problem
    try {
      dump = globalThis[Symbol.for("@quiesce/core/dump")]?.()
    } catch (error) {
      problem = String(error)
    }
    return JSON.stringify({ pid: process.pid, node: process.version, stack: String(stack), dump, problem })
  } finally {
    Error.prepareStackTrace = prepareStackTrace
    Error.stackTraceLimit = stackTraceLimit
  }
})()
//# sourceURL=${name}`

/** `stack` is empty in an idle thread. `problem` says why there is no dump. */
export interface Answer {
  readonly pid: number
  readonly node: string
  readonly stack: string
  readonly dump?: ThreadDump
  readonly problem?: string
}

const Answer: Schema.Codec<Answer, unknown> = Schema.fromJsonString(
  Schema.Struct({
    pid: Schema.Number,
    node: Schema.String,
    stack: Schema.String,
    dump: Schema.optionalKey(Schema.fromJsonString(Schemas.ThreadDump)),
    problem: Schema.optionalKey(Schema.String)
  })
)

const Reply = Schema.Struct({ result: Schema.Struct({ value: Answer }) })

const decodeReply = Schema.decodeUnknownOption(Reply)

/** The answer in a reply of the engine; none if the reply has another form. */
export const decode = (reply: unknown): Option.Option<Answer> =>
  Option.map(decodeReply(reply), ({ result: { value } }) => ({ ...value, stack: below(value.stack) }))

/** The stack without the frames of the expression. An idle thread has no other frame. */
const below = (stack: string): string =>
  stack
    .split("\n")
    .slice(1)
    .filter((frame) => !frame.includes(`${name}:`))
    .join("\n")
