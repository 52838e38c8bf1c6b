// The size of this program in a bundle is checked. The program uses threads and leases, and no Schema.
import { Lease, Thread } from "@quiesce/core"
import * as Effect from "effect/Effect"

const file = Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.void })

Effect.runFork(Effect.scoped(Effect.flatMap(Thread.spawn(file), Thread.join)))
