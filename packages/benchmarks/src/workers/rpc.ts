/** An app on Effect RPC with Effect's own worker protocol: one worker, so many callers at a time. */
import { Worker } from "node:worker_threads"
import { NodeWorker } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { RpcClient } from "effect/rpc"
import type { Measure } from "../Comparison.ts"
import { Adding } from "./contract.ts"

const url = new URL("./rpc.worker.ts", import.meta.url)

const protocol = (callers: number) =>
  RpcClient.layerProtocolWorker({ size: 1, concurrency: callers }).pipe(
    Layer.provide(NodeWorker.layer(() => new Worker(url)))
  )

/** Microseconds a task, after some to warm up. */
export const dispatchInRpc =
  (callers: number, warmUp: number, tasks: number): Measure =>
  () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const client = yield* RpcClient.make(Adding)
        const run = Effect.fnUntraced(function* (count: number) {
          let left = count
          const start = performance.now()
          const caller = Effect.suspend(() =>
            Effect.whileLoop({ while: () => left-- > 0, body: () => client.Add({ a: 1, b: 2 }), step: () => {} })
          )
          yield* Effect.all(
            Array.from({ length: callers }, () => caller),
            { concurrency: "unbounded", discard: true }
          )
          return ((performance.now() - start) * 1000) / count
        })
        yield* run(warmUp)
        return yield* run(tasks)
      }).pipe(Effect.scoped, Effect.provide(protocol(callers)))
    )
