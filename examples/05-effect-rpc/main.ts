/**
 * One app on Effect's RPC over worker threads, on two protocols: Effect's own, and that of Quiesce. `before` and `after`
 * differ in one line on the host and in one in the worker.
 *
 *     node examples/05-effect-rpc/main.ts
 *
 * It prints what comes of a stream that is ended early, of a worker that crashes, and of loops that nobody wants any
 * more; and in the end what is left of their lock files when the workers are gone.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Console, Effect, type Layer } from "effect"
import type { RpcClient } from "effect/rpc"
import { protocol as after } from "./after/protocol.ts"
import { app } from "./app.ts"
import { protocol as before } from "./before/protocol.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "effect-rpc-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

const run = Effect.fnUntraced(function* (name: string, protocol: Layer.Layer<RpcClient.Protocol, unknown>) {
  yield* Console.log(name)
  const path = yield* folder
  yield* Effect.provide(app(path), protocol)
  const locks = (yield* Effect.promise(() => readdir(path))).filter((file) => file.endsWith(".lock"))
  yield* Console.log(`  ${"the workers are gone".padEnd(34)}${locks.length} lock files are left`)
}, Effect.scoped)

await Effect.runPromise(
  Effect.andThen(run("RpcClient.layerProtocolWorker", before), run("RpcProtocol.layerClient", after))
)
