/** Test workers that serve a contract. */
import * as Abort from "@quiesce/core/Abort"
import { HostLease, WorkerPool } from "@quiesce/worker-threads"
import * as Effect from "effect/Effect"
import { Kept, Tasks } from "./contract.ts"
import type { Kind } from "./TestPool.ts"

export const contractPool: Kind = {
  url: new URL("./laws.worker.ts", import.meta.url),
  extra: () => "",
  open: ({ concurrency, hire, keep, size }) =>
    Effect.map(
      WorkerPool.make(Tasks, { spawn: hire, size, concurrency, hostLeases: [HostLease.handler(Kept, keep)] }),
      (pool) => ({
        hello: pool.execute("Hello", undefined),
        run: (given, options) => pool.spawn("Run", given, options),
        call: (how, given) =>
          how === "effect"
            ? pool.execute("Call", { text: JSON.stringify({ ...given, mutex: undefined }) })
            : Abort.promise((signal) => pool.run("Run", given, { signal })),
        bystander: (word) => pool.spawn("Bystander", { word })
      })
    )
}
