/**
 * A program with a worker pool and a child process that ends well. Press Ctrl-C once, twice or three times:
 *
 *     node examples/08-main/main.ts           once: the page in work is finished, exit code 0
 *     node examples/08-main/main.ts --stuck   once: waits for a page without an end; twice: ends that page, exit code 130
 *     node examples/08-main/main.ts --hang    a third time: ends the process in the middle of a cleanup that hangs
 *
 * At the first Ctrl-C the child process gets a SIGTERM, because it is a thread of the program. It never outlives the program.
 * The pages are written to a folder, which is removed at the end; only the third Ctrl-C leaves it behind.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Worker } from "node:worker_threads"
import { Lease, Thread } from "@quiesce/core"
import { Main, ProcessThread } from "@quiesce/process"
import { WorkerPool } from "@quiesce/worker-threads"
import { NodeServices } from "@effect/platform-node"
import { Console, Deferred, Effect, Fiber, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { Pages } from "./pages.ts"

const { values } = parseArgs({
  options: { stuck: { type: "boolean", default: false }, hang: { type: "boolean", default: false } }
})

const folder = Lease.acquire({
  name: "folder",
  acquire: Effect.promise(() => mkdtemp(join(tmpdir(), "quiesce-pages-"))),
  release: (path) =>
    Effect.gen(function* () {
      yield* Console.log("main: removing the folder")
      if (values.hang) yield* Effect.never
      yield* Effect.promise(() => rm(path, { recursive: true }))
      yield* Console.log("main: removed the folder")
    })
})

/** Starts the child process and waits until it is ready. The fiber prints its output until its end. */
const startIndexer = (path: string) =>
  Effect.gen(function* () {
    const file = join(import.meta.dirname, "indexer.ts")
    const indexer = yield* ProcessThread.spawn(ChildProcess.make(process.execPath, [file, path]), { name: "indexer" })
    const ready = yield* Deferred.make<void>()
    const output = yield* indexer.stdout.pipe(
      Stream.decodeText(),
      Stream.splitLines,
      Stream.runForEach((line) =>
        Effect.andThen(Console.log(`indexer ${indexer.pid}: ${line}`), Deferred.succeed(ready, undefined))
      ),
      Effect.forkChild
    )
    yield* Deferred.await(ready)
    return output
  })

const program = Effect.gen(function* () {
  const path = yield* folder
  const indexer = yield* startIndexer(path)
  const pool = yield* WorkerPool.make(Pages, {
    spawn: (options) => new Worker(new URL("./pages.worker.ts", import.meta.url), options),
    size: 1
  })
  yield* Console.log(`main: writing to ${path}`)
  const announce = Effect.flatMap(Thread.awaitStop, ({ message }) => Console.log(`main: ${message}, one page more`))
  yield* Effect.forkChild(announce, { startImmediately: true })
  let page = 0
  while (!(yield* Thread.stopRequested)) {
    page++
    const hasEnd = !(values.stuck || values.hang) || page < 3
    if (!hasEnd) yield* Console.log(`main: page ${page} has no end`)
    const text = yield* pool.execute("Render", { page, hasEnd })
    yield* Effect.promise(() => writeFile(join(path, `${page}.txt`), text))
    yield* Console.log(`main: wrote page ${page}`)
  }
  yield* Fiber.join(indexer)
  yield* Console.log("main: stopped after a whole page")
}).pipe(Effect.provide(NodeServices.layer))

Main.run(program, { escalation: { stop: "1 minute", interrupt: "5 seconds", unwind: "1 second", kill: "1 second" } })
