/** The worker of a Quiesce pool. */
import { Blocking, Lease, StopToken } from "@quiesce/core"
import { ThreadWorker } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { Tasks } from "./contract.ts"

const set = (cells: Int32Array): void => {
  Atomics.store(cells, 0, 1)
  Atomics.notify(cells, 0)
}

const held = Lease.make({ name: "held", acquire: Effect.void, release: () => Effect.void })

ThreadWorker.main(
  Tasks,
  Tasks.toLayer({
    Add: ({ a, b }) => Effect.succeed(a + b),
    Hog: ({ cells }) =>
      Effect.scoped(
        Effect.andThen(
          held,
          Blocking.interruptible((): void => {
            set(cells)
            for (;;);
          })
        )
      ).pipe(Effect.orDie),
    Poll: ({ cells }) =>
      Effect.scoped(
        Effect.andThen(
          held,
          Effect.flatMap(StopToken.current, (token) =>
            Effect.sync(() => {
              set(cells)
              while (!token.interrupted);
            })
          )
        )
      ).pipe(Effect.orDie)
  })
)
