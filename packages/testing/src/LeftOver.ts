/**
 * A left-over: a resource that still exists after its time.
 *
 * @since 0.1.0
 */
import { readOr } from "@quiesce/core/internal"
import * as Schema from "effect/Schema"
import { gotText } from "./internal/wording.ts"

/**
 * A left-over resource. `what` is its name in words. `unref` marks a handle or a timer that does not keep the process
 * alive. `madeAt` is the stack of its creation, the innermost frame first, without the frames of Node, Effect, the test
 * runner and this package; empty if the stack is not known.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface LeftOver {
  readonly kind: Kind
  readonly what: string
  readonly unref: boolean
  readonly madeAt: ReadonlyArray<string>
}

/**
 * The kinds of left-overs.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Kind = "listener" | "timer" | "immediate" | "handle" | "worker" | "process" | "descriptor" | "fiber"

/**
 * The Schema of a left-over.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const LeftOver: Schema.Codec<LeftOver> = Schema.Struct({
  kind: Schema.Literals(["listener", "timer", "immediate", "handle", "worker", "process", "descriptor", "fiber"]),
  what: Schema.String,
  unref: Schema.Boolean,
  madeAt: Schema.Array(Schema.String)
})

/**
 * The left-over and the place of its creation as a few lines of text.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: LeftOver): string => {
  if (!Array.isArray(readOr(() => self.madeAt, undefined))) {
    throw new TypeError(gotText("LeftOver.render", self, "a left-over, such as an element of Watch.leftOvers()"))
  }
  return [
    `- ${self.kind}: ${self.what}${self.unref ? " (unref'd)" : ""}`,
    ...self.madeAt.map((frame) => `    at ${frame}`)
  ].join("\n")
}
