// The same program as threads.ts, with imports of modules. esbuild keeps everything of an imported index.
import * as Lease from "@quiesce/core/Lease"
import * as Thread from "@quiesce/core/Thread"
import * as Effect from "effect/Effect"

const file = Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.void })

Effect.runFork(Effect.scoped(Effect.flatMap(Thread.spawn(file), Thread.join)))
