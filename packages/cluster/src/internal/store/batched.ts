/**
 * Makes one statement of the statements of many callers. A transaction costs more than a row in it, so the threads that
 * start in one turn of the event loop share a transaction, and so do those that end.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Request from "effect/Request"
import * as RequestResolver from "effect/RequestResolver"

interface Item<A, B, E> extends Request.Request<B, E> {
  readonly item: A
}

/**
 * `run` gives a result for each item, in their order. A batch that fails is tried again item by item, because one item may
 * be the cause, such as a text that the database refuses.
 */
export const batched = <A, B, E>(
  run: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
): ((item: A) => Effect.Effect<B, E>) => {
  type One = Item<A, B, E>
  const alone = (entry: Request.Entry<One>): Effect.Effect<void> =>
    Effect.map(Effect.exit(run([entry.request.item])), (exit) =>
      entry.completeUnsafe(Exit.map(exit, (results) => results[0]!))
    )
  const resolver = RequestResolver.make<One>((entries) =>
    entries.length === 1
      ? alone(entries[0])
      : Effect.matchCauseEffect(run(entries.map(({ request }) => request.item)), {
          onFailure: () => Effect.forEach(entries, alone, { discard: true }),
          onSuccess: (results) =>
            Effect.sync(() => entries.forEach((entry, index) => entry.completeUnsafe(Exit.succeed(results[index]!))))
        })
  )
  const requestOf = Request.of<One>()
  return (item) => Effect.request(requestOf({ item }), resolver)
}
