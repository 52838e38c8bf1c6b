/**
 * The threads of a running process, seen from outside: `quiesce ps` as a function.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Schemas from "@quiesce/core/Schemas"
import * as ThreadDump from "@quiesce/core/ThreadDump"
import type { Data } from "./internal/eyes/data.ts"
import * as Look from "./internal/eyes/look.ts"
import { wrongArgument } from "./internal/wrongArgument.ts"
import type * as ProcessError from "./ProcessError.ts"

export type { Data as ProcessDump } from "./internal/eyes/data.ts"

/**
 * Looks at a process of this user: the trees of its threads, and the stacks of its busy threads. The main thread answers
 * also while it is busy in JavaScript. On Linux only. Fails with `NotVisible` for a process that can't be looked at, and for
 * this process itself: use `ThreadDump.whole`.
 *
 * The look opens the inspector of the process by SIGUSR1, unless it is open, and closes it again. Node prints "Debugger
 * listening" and "Debugger attached" on the stderr of the process. Nothing else is changed, and nothing is halted.
 *
 * *Cancellation*: the inspector is closed again.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const of = (
  pid: number,
  options?: { readonly workers?: boolean | undefined }
): Effect.Effect<Data, ProcessError.ProcessError> => Look.at(pid, options?.workers ?? true)

/**
 * The Schema of a dump, for the output of `quiesce ps --json`.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const ProcessDumpSchema: Schema.Codec<Data, unknown> = Schema.Struct({
  pid: Schema.Number,
  at: Schema.Number,
  node: Schema.String,
  command: Schema.Array(Schema.String),
  main: Schemas.DumpedPlace,
  workers: Schema.Array(Schemas.DumpedPlace)
})

/**
 * A dump as indented text.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: Data, options?: ThreadDump.RenderOptions): string => {
  if (!hasProperty(self, "main") || !hasProperty(self, "workers"))
    throw wrongArgument("ProcessDump.render's dump", self, "a dump; give the result of ProcessDump.of")
  const { at, command, main, node, pid, workers } = self
  const elsewhere = [main, ...workers].map((place) =>
    place.dump === undefined && place.stack === undefined && place.note === undefined
      ? { ...place, note: "idle" }
      : place
  )
  const lines = [
    `${ThreadDump.printable(command.join(" "))} (pid ${pid}, Node ${ThreadDump.printable(node)})`,
    ThreadDump.render({ at, leases: [], threads: [], elsewhere }, options)
  ]
  if (elsewhere.every(({ dump }) => dump === undefined))
    lines.push(
      "No thread of Quiesce is exposed there: the program does not use Main.run, and does not call ThreadDump.expose."
    )
  return lines.join("\n")
}
