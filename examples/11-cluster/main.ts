/**
 * Jobs on two runner processes. One of them is killed, and the jobs that it had are done by the other:
 *
 *     node examples/11-cluster/main.ts             two runners, one of which gets SIGKILL
 *     node examples/11-cluster/main.ts --embedded  the same jobs in this process alone, without a server
 *
 * Press Ctrl-C in the middle: the jobs are cancelled, the runners end, and the folder of the example is removed.
 *
 * Each job holds a folder with its parts by a `ClusterLease`. The report of a killed job names the folder as lost, and the
 * other runner removes it.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { parseArgs } from "node:util"
import { NodeServices } from "@effect/platform-node"
import { ClusterRunner, ClusterStore, ClusterThreads } from "@quiesce/cluster"
import { CancelReason, ForcedEnd, Thread, ThreadDump } from "@quiesce/core"
import { Main, ProcessThread } from "@quiesce/process"
import { Console, Effect, Exit, Layer, Option, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { handlers, isThere, parts, Tasks } from "./encoding.ts"

const { values } = parseArgs({ options: { embedded: { type: "boolean", default: false } } })

type Threads = ClusterThreads.Of<typeof Tasks>
type Job = Thread.Thread<number, unknown>

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "quiesce-encoding-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true }))
)

/** Starts a runner, and waits until it is ready. */
const startRunner = (filename: string) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const file = join(import.meta.dirname, "runner.ts")
    const runner = yield* ProcessThread.spawn(
      ChildProcess.make(process.execPath, [file, filename, String(port)], { stderr: "inherit" }),
      { name: `runner ${port}` }
    )
    yield* Stream.runHead(runner.stdout)
    return [`runner localhost:${port}`, runner] as const
  })

const freePort = Effect.callback<number>((resume) => {
  const server = createServer().listen(0, "localhost", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const start = (threads: Threads, source: string) => threads.spawn("Encode", { source }, { name: basename(source) })

/** Waits until the job holds its folder, and gives the name of its runner. */
const whereIs = (job: Job): Effect.Effect<string> =>
  Effect.flatMap(ThreadDump.of(job), ({ leases, runsOn }) =>
    leases.length > 0 && runsOn !== undefined
      ? Effect.succeed(runsOn)
      : Effect.andThen(Effect.sleep("10 millis"), whereIs(job))
  )

/** Prints how a job ended. A job that was lost with its runner is started again. */
const finish = (threads: Threads, source: string, job: Job): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const name = basename(source)
    const exit = yield* Thread.await(job)
    if (Exit.isSuccess(exit)) return yield* Console.log(`${name}: encoded, ${exit.value} bytes`)
    const reason = Option.getOrUndefined(CancelReason.fromExit(exit))
    const lost = Option.match(ForcedEnd.fromExit(exit), { onNone: () => [], onSome: (end) => end.lost })
    yield* Console.log(`${name}: ${reason?._tag}, lost ${lost.join()}`)
    while (isThere(source)) yield* Effect.sleep("10 millis")
    yield* Console.log(`${name}: the other runner has removed the folder`)
    yield* Effect.flatMap(start(threads, source), (again) => finish(threads, source, again))
  }).pipe(Effect.scoped)

const encodeAll = (sources: ReadonlyArray<string>, runners: ReadonlyMap<string, ProcessThread.ProcessThread>) =>
  Effect.gen(function* () {
    const threads = yield* ClusterThreads.make(Tasks)
    const jobs = yield* Effect.forEach(sources, (source) =>
      Effect.map(start(threads, source), (job) => [source, job] as const)
    )
    const runner = runners.get(yield* whereIs(jobs[0]![1]))
    if (runner !== undefined) {
      yield* Thread.shutdown(runner, { escalation: { kill: "5 seconds" } })
      yield* Console.log("killed the runner of a")
    }
    yield* Effect.forEach(jobs, ([source, job]) => finish(threads, source, job), { concurrency: "unbounded" })
  }).pipe(Effect.scoped)

/** The runner is in this process. */
const embedded = ClusterRunner.embedded(Tasks, { keepers: [parts] }).pipe(Layer.provide(handlers))

/** The engine of this process only knows where the runners are. */
const client = ClusterRunner.client({ sharding: { runnerAddress: Option.none() } })

const engineOn = (filename: string) => {
  const store = ClusterStore.sqlite({ filename })
  return values.embedded ? Layer.provideMerge(embedded, store) : Layer.provideMerge(client, store)
}

const program = Effect.gen(function* () {
  const path = yield* folder
  const filename = join(path, "threads.db")
  const sources = ["a", "b", "c"].map((name) => join(path, name))
  for (const source of sources)
    yield* Effect.promise(() => writeFile(source, `a line of the file ${basename(source)}\n`.repeat(3000)))
  const started = values.embedded
    ? []
    : yield* Effect.all([startRunner(filename), startRunner(filename)], { concurrency: 2 })
  yield* Effect.provide(encodeAll(sources, new Map(started)), engineOn(filename))
}).pipe(Effect.provide(NodeServices.layer))

Main.run(program)
