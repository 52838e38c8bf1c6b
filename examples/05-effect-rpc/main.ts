/**
 * One app on Effect's RPC over worker threads, run on Effect's own protocol and on the protocol of Quiesce. The folders
 * `before` and `after` differ in one line on the host and in one line in the worker.
 *
 *     node examples/05-effect-rpc/main.ts
 *
 * For each protocol the program ends a stream early, crashes a worker and interrupts two endless loops. At the end it
 * counts the lock files that the loops have left behind.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Console, Effect, type Layer, References } from "effect"
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
  yield* Console.log(`  ${"lock files left by the workers".padEnd(36)}${locks.length}`)
}, Effect.scoped)

await Effect.andThen(run("RpcClient.layerProtocolWorker", before), run("RpcProtocol.layerClient", after)).pipe(
  // The crash is intended. Without this line, the log has an entry for the lost worker.
  Effect.provideService(References.UnhandledLogLevel, undefined),
  Effect.runPromise
)
