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
import type { Worker } from "node:worker_threads"
import { Main } from "@quiesce/process"
import { Console, Effect, type Layer, References } from "effect"
import type { RpcClient } from "effect/rpc"
import { protocol as after } from "./after/protocol.ts"
import { app } from "./app.ts"
import { protocol as before } from "./before/protocol.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "effect-rpc-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

const workers: Array<Worker> = []
process.on("worker", (worker) => workers.push(worker))

/** At its end, Effect's protocol waits for each worker for 5 seconds, in which the endless loops keep the cores busy. */
const terminateAll = Effect.promise(() => Promise.all(workers.map((worker) => worker.terminate())))

const run = Effect.fnUntraced(function* (
  name: string,
  protocol: Layer.Layer<RpcClient.Protocol, unknown>,
  atEnd: Effect.Effect<unknown> = Effect.void
) {
  yield* Console.log(name)
  const path = yield* folder
  yield* Effect.provide(Effect.ensuring(app(path), atEnd), protocol)
  const locks = (yield* Effect.promise(() => readdir(path))).filter((file) => file.endsWith(".lock"))
  yield* Console.log(`  ${"lock files left by the workers".padEnd(36)}${locks.length}`)
}, Effect.scoped)

Effect.andThen(run("RpcClient.layerProtocolWorker", before, terminateAll), run("RpcProtocol.layerClient", after)).pipe(
  // The crash is intended. Without this line, the log has an entry for the lost worker.
  Effect.provideService(References.UnhandledLogLevel, undefined),
  Main.run
)
