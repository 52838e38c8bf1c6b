/**
 * Jobs on two runner processes. One of them is killed, and the jobs that it had are done by the other:
 *
 *     node examples/11-cluster/main.ts             two runners, one of which gets SIGKILL
 *     node examples/11-cluster/main.ts --embedded  the same jobs in this process alone, without a server
 *
 * Each job holds a folder with its parts by a `ClusterLease`. The report of a killed job names the folder as lost, and the
 * other runner removes it.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { parseArgs } from "node:util"
import { ClusterRunner, ClusterStore, ClusterThreads } from "@quiesce/cluster"
import { CancelReason, ForcedEnd, Thread, ThreadDump } from "@quiesce/core"
import { Console, Effect, Exit, Layer, Option } from "effect"
import { handlers, isThere, parts, Tasks } from "./encoding.ts"

const { values } = parseArgs({ options: { embedded: { type: "boolean", default: false } } })

type Threads = ClusterThreads.Of<typeof Tasks>
type Job = Thread.Thread<number, unknown>

const folder = mkdtempSync(join(tmpdir(), "quiesce-encoding-"))
const filename = join(folder, "threads.db")
const sources = ["a", "b", "c"].map((name) => join(folder, name))

/** Starts a runner, and waits until it is ready. */
const startRunner = async (): Promise<readonly [address: string, ChildProcess]> => {
  const port = await freePort()
  const runner = spawn(process.execPath, [join(import.meta.dirname, "runner.ts"), filename, String(port)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  await new Promise((resolve) => runner.stdout.once("data", resolve))
  return [`runner localhost:${port}`, runner]
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "localhost", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
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

const program = (runners: ReadonlyMap<string, ChildProcess>) =>
  Effect.gen(function* () {
    const threads = yield* ClusterThreads.make(Tasks)
    const jobs = yield* Effect.forEach(sources, (source) =>
      Effect.map(start(threads, source), (job) => [source, job] as const)
    )
    const runner = runners.get(yield* whereIs(jobs[0]![1]))
    if (runner !== undefined) {
      runner.kill("SIGKILL")
      yield* Console.log("killed the runner of a")
    }
    yield* Effect.forEach(jobs, ([source, job]) => finish(threads, source, job), { concurrency: "unbounded" })
  }).pipe(Effect.scoped)

const store = ClusterStore.sqlite({ filename })

/** The runner is in this process. */
const embedded = ClusterRunner.embedded(Tasks, { keepers: [parts] }).pipe(
  Layer.provide(handlers),
  Layer.provideMerge(store)
)

/** The engine of this process only knows where the runners are. */
const client = ClusterRunner.client({ sharding: { runnerAddress: Option.none() } }).pipe(Layer.provideMerge(store))

const runners = new Map(values.embedded ? [] : await Promise.all([startRunner(), startRunner()]))
for (const source of sources) writeFileSync(source, `a line of the file ${basename(source)}\n`.repeat(3000))
try {
  await Effect.runPromise(Effect.provide(program(runners), values.embedded ? embedded : client))
} finally {
  for (const runner of runners.values()) runner.kill("SIGKILL")
  rmSync(folder, { recursive: true, force: true })
}
