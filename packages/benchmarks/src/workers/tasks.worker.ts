/** The worker of a Quiesce pool. */
import { Blocking, Lease, StopToken } from "@quiesce/core"
import { ThreadWorker } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { Tasks } from "./contract.ts"

const set = (cells: Int32Array): void => {
  Atomics.store(cells, 0, 1)
  Atomics.notify(cells, 0)
}

const held = Lease.acquire({ name: "held", acquire: Effect.void, release: () => Effect.void })

/** Kept, so that no loop is optimised away. */
let sum = 0

const hashUnchecked = (turns: number, _token: StopToken.StopToken): number => {
  let hash = 0x811c9dc5 | 0
  for (let n = 0; n < turns; n++) {
    hash = Math.imul(hash ^ (n & 0xff), 0x01000193)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x2c1b3c6d)
    hash ^= hash >>> 12
    hash = Math.imul(hash, 0x297a2d39)
    hash ^= hash >>> 15
  }
  return hash
}

const hashChecked = (turns: number, token: StopToken.StopToken): number => {
  let hash = 0x811c9dc5 | 0
  for (let n = 0; n < turns; n++) {
    token.check()
    hash = Math.imul(hash ^ (n & 0xff), 0x01000193)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x2c1b3c6d)
    hash ^= hash >>> 12
    hash = Math.imul(hash, 0x297a2d39)
    hash ^= hash >>> 15
  }
  return hash
}

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
      ).pipe(Effect.orDie),
    Wait: ({ cells }) =>
      Effect.scoped(
        Effect.andThen(
          held,
          Effect.suspend(() => {
            Atomics.add(cells, 0, 1)
            Atomics.notify(cells, 0)
            return Effect.never
          })
        )
      ).pipe(Effect.orDie),
    Hash: ({ turns, checked }) =>
      Effect.map(StopToken.current, (token) => {
        const hash = checked ? hashChecked : hashUnchecked
        const times: Array<number> = []
        for (let n = 0; n < 25; n++) {
          const start = performance.now()
          sum ^= hash(turns, token)
          times.push(((performance.now() - start) * 1e6) / turns)
        }
        return times.toSorted((a, b) => a - b)[12]!
      }).pipe(Effect.orDie)
  })
)
