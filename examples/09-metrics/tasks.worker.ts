import { Lease } from "@quiesce/core"
import { ThreadWorker } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { Tasks } from "./contract.ts"

const file = Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.void })

const handlers = Tasks.toLayer({
  Square: ({ of }) => Effect.succeed(of * of),
  Wait: () => Effect.scoped(Effect.andThen(file, Effect.never))
})

ThreadWorker.main(Tasks, handlers)
