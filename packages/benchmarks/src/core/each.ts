import { Effect } from "effect"

/** Nanoseconds for one of many runs of an effect, one after another in one fiber. */
export const each = <E, R>(effect: Effect.Effect<unknown, E, R>, times = 20_000): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    let left = times
    const start = performance.now()
    return Effect.map(
      Effect.whileLoop({ while: () => left-- > 0, body: () => effect, step: () => {} }),
      () => ((performance.now() - start) * 1e6) / times
    )
  })
