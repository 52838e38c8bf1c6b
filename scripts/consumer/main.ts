import { Worker } from "node:worker_threads"
import { ClusterRunner, ClusterStore, ClusterThreads } from "@quiesce/cluster"
import { Thread } from "@quiesce/core"
import { ModuleUrl, Task, WorkerPool } from "@quiesce/worker-threads"
import { Effect, Layer } from "effect"
import { Tasks } from "./tasks.ts"

Task.useWorker(ModuleUrl.of("./task.worker.ts", import.meta.url))

const tasks = ModuleUrl.of("./tasks.worker.ts", import.meta.url)

const program = Effect.gen(function* () {
  const pool = yield* WorkerPool.make(Tasks, { spawn: (options) => new Worker(tasks, options), size: 1 })
  return yield* pool.execute("CountWords", { text: "stop anything, leak nothing" })
})

console.log(await Effect.runPromise(Effect.scoped(program)))
console.log(await Task.runTask<typeof import("./square.ts")>(ModuleUrl.of("./square.ts", import.meta.url), 7))
const folder = ModuleUrl.of("./folder.ts", import.meta.url)
console.log(String(await Task.runTask<typeof import("./folder.ts")>(folder, null).catch((error: unknown) => error)))

const cluster = ClusterRunner.embedded(Tasks).pipe(
  Layer.provide(Tasks.toLayer({ CountWords: ({ text }) => Effect.succeed(text.split(" ").length) })),
  Layer.provideMerge(ClusterStore.sqlite({ filename: ":memory:" }))
)
const clustered = Effect.gen(function* () {
  const threads = yield* ClusterThreads.make(Tasks)
  return yield* Effect.flatMap(threads.spawn("CountWords", { text: "three more words" }), Thread.join)
})
console.log(await Effect.runPromise(clustered.pipe(Effect.scoped, Effect.provide(cluster))))
