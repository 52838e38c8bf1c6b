/**
 * Something that was made and is still there.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What is left over: `what` names it in words. `unref` says that it is a handle or a timer that does not keep the process
 * alive. `madeAt` are the frames of the stack that made it, the innermost first, without those of Node, of Effect, of the
 * test runner and of this package; empty where no stack is known.
 *
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
 * The kinds of things that are looked for.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "listener" | "timer" | "immediate" | "handle" | "worker" | "process" | "descriptor" | "fiber"

/**
 * The Schema of what is left over.
 *
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
 * A few lines of text: what it is, and where it was made.
 *
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: LeftOver): string =>
  [
    `- ${self.kind}: ${self.what}${self.unref ? " (unref'd)" : ""}`,
    ...self.madeAt.map((frame) => `    at ${frame}`)
  ].join("\n")
