import { Lease, Thread } from "@quiesce/core"
import { Effect } from "effect"
const which = process.argv[2]
const noop = Effect.void
const e: any =
  which === "lease"
    ? Effect.scoped(Lease.make({ name: "lease", acquire: noop, release: () => noop }))
    : which === "join"
      ? Effect.flatMap(Thread.spawn(noop), Thread.join)
      : Effect.flatMap(Thread.spawn(Effect.never), (thread) => Thread.interrupt(thread))
let left = 1_000_000
const t = performance.now()
await Effect.runPromise(
  Effect.scoped(
    Effect.flatMap(
      Thread.spawn(Effect.whileLoop({ while: () => left-- > 0, body: () => e, step: () => {} }) as any),
      Thread.join
    )
  ) as any
)
console.log(which, (performance.now() - t).toFixed(0), "ns each")
