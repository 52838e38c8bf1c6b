/** The parts of a dump that have to be asked for: the stacks of busy threads, and the trees of other places. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DumpedPlace } from "./dumpModel.ts"
import type { ThreadNode } from "./threadNode.ts"

/** The time for each answer, in milliseconds. */
const patience = 1000

/** Gives the trees of some places now. A failure counts as no answer. */
export type DumpSource = Effect.Effect<ReadonlyArray<DumpedPlace>>

const sources = /* @__PURE__ */ new Set<DumpSource>()

/** Adds a source until the result is called. */
export const add = (source: DumpSource): (() => void) => {
  sources.add(source)
  return () => void sources.delete(source)
}

export const elsewhere: Effect.Effect<ReadonlyArray<DumpedPlace>> = /* @__PURE__ */ Effect.suspend(() =>
  Effect.map(
    Effect.forEach(sources, (source) => answer(source, []), { concurrency: "unbounded" }),
    (places) => places.flat()
  )
)

export type Stacks = ReadonlyMap<number, string>

/** The stacks of threads, by the id of the thread. */
export const stacksOf = (nodes: ReadonlyArray<ThreadNode>): Effect.Effect<Stacks> => {
  const stacks = new Map<number, string>()
  const locating = nodes.map((node) =>
    Effect.map(answer(node.controls.locate, Option.none()), (stack) => {
      if (Option.isSome(stack)) stacks.set(node.id, stack.value)
    })
  )
  return Effect.as(Effect.all(locating, { concurrency: "unbounded", discard: true }), stacks)
}

const answer = <A>(effect: Effect.Effect<A>, otherwise: A): Effect.Effect<A> =>
  effect.pipe(
    Effect.timeoutOption(patience),
    Effect.map(Option.getOrElse(() => otherwise)),
    Effect.catchCause(() => Effect.succeed(otherwise))
  )
