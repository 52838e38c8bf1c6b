/**
 * A program with a worker pool that ends well. Press Ctrl-C once, twice or three times:
 *
 *     node examples/08-main/main.ts           once: the page in work is finished, exit code 0
 *     node examples/08-main/main.ts --stuck   once: waits for a page without an end; twice: ends that page, exit code 130
 *     node examples/08-main/main.ts --hang    a third time: ends the process in the middle of a cleanup that hangs
 *
 * The pages are written to a folder, which is removed at the end; only the third Ctrl-C leaves it behind.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { Worker } from "node:worker_threads"
import { Lease, Thread } from "@quiesce/core"
import { Main } from "@quiesce/process"
import { WorkerPool } from "@quiesce/worker-threads"
import { Console, Effect } from "effect"
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

const program = Effect.gen(function* () {
  const path = yield* folder
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
  yield* Console.log("main: stopped after a whole page")
})

Main.run(program, { escalation: { stop: "1 minute", interrupt: "5 seconds", unwind: "1 second", kill: "1 second" } })
