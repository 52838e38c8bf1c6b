/** Threads of a cluster beside calls to an entity of the bare engine: one runner in a process of its own, over loopback. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { NodeClusterSocket } from "@effect/platform-node"
import { ClusterRunner, ClusterStore, ClusterThreads } from "@quiesce/cluster"
import { ForcedEnd, Thread, ThreadDump } from "@quiesce/core"
import { Effect, Layer, Option, References, type Scope } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { type Comparison, limit, type Measure } from "../Comparison.ts"
import { Bare, Tasks } from "./contract.ts"

const program = fileURLToPath(new URL("./runner-main.ts", import.meta.url))

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on("error", reject)
    server.listen(0, "localhost", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

interface Client {
  readonly threads: ClusterThreads.Of<typeof Tasks>
  readonly runner: ChildProcess
  /** All runners, by their ports. */
  readonly runners: ReadonlyMap<number, ChildProcess>
}

type BareOf = Effect.Success<typeof Bare.client>

const sharding = { runnerAddress: Option.none() }

const ready = (runner: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    runner.stdout?.once("data", () => resolve())
    runner.once("exit", (code) => reject(new Error(`The runner has ended with ${code}`)))
  })

type Measured = (filename: string, runners: ReadonlyMap<number, ChildProcess>) => Effect.Effect<number, unknown>

/** Runs a measurement beside runners that have just started, by their ports. */
const beside =
  (kind: "threads" | "bare", measure: Measured, count = 1): Measure =>
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "quiesce-bench-"))
    const filename = join(folder, "threads.db")
    const runners = new Map<number, ChildProcess>()
    try {
      for (let n = 0; n < count; n++) {
        const port = await freePort()
        const runner = spawn(process.execPath, [program, filename, String(port), kind], {
          stdio: ["ignore", "pipe", "inherit"]
        })
        runners.set(port, runner)
        await ready(runner)
      }
      return await Effect.runPromise(measure(filename, runners))
    } finally {
      for (const runner of runners.values()) runner.kill("SIGKILL")
      rmSync(folder, { recursive: true, force: true })
    }
  }

type OfClient<R> = (client: Client) => Effect.Effect<number, unknown, R>

const withThreads = (measure: OfClient<Scope.Scope | SqlClient>, count = 1): Measure =>
  beside(
    "threads",
    (filename, runners) => {
      const engine = ClusterRunner.client({ sharding })
      const runner = Array.from(runners.values())[0]!
      return Effect.flatMap(ClusterThreads.make(Tasks), (threads) => measure({ threads, runner, runners })).pipe(
        Effect.scoped,
        // The loss of leases is what some measure.
        Effect.provideService(References.UnhandledLogLevel, undefined),
        Effect.provide(engine.pipe(Layer.provideMerge(ClusterStore.sqlite({ filename }))))
      )
    },
    count
  )

const withEntity = (measure: (bareOf: BareOf) => Effect.Effect<number, unknown>): Measure =>
  beside("bare", (filename) => {
    const engine = NodeClusterSocket.layer({ clientOnly: true, storage: "sql", shardingConfig: sharding })
    return Effect.flatMap(Bare.client, measure).pipe(
      Effect.provide(engine.pipe(Layer.provide(ClusterStore.sqlite({ filename }))))
    )
  })

const atOnce = 64

/** Microseconds a call, of so many calls, after as many others. */
const perCall = (count: number, call: Effect.Effect<number, unknown>): Effect.Effect<number, unknown> => {
  const calls = Effect.forEach(Array.from({ length: count }), () => call, { concurrency: atOnce, discard: true })
  return Effect.gen(function* () {
    yield* calls
    const start = performance.now()
    yield* calls
    return ((performance.now() - start) * 1000) / count
  })
}

const threadCalls = withThreads(({ threads }) =>
  perCall(1000, Effect.scoped(Effect.flatMap(threads.spawn("Add", { a: 1, b: 2 }), Thread.join)))
)

const bareCalls = withEntity((bareOf) =>
  perCall(
    1000,
    Effect.suspend(() => bareOf(crypto.randomUUID()).Add({ a: 1, b: 2 }))
  )
)

const storedCalls = withEntity((bareOf) =>
  perCall(
    64,
    Effect.suspend(() => bareOf(crypto.randomUUID()).AddStored({ a: 1, b: 2 }))
  )
)

/** A thread that has begun. */
const holding = (threads: Client["threads"], releaseMillis: number) =>
  Effect.tap(threads.spawn("Hold", { releaseMillis }), (thread) =>
    Effect.repeat(Effect.andThen(Effect.sleep(1), Thread.status(thread)), { until: ({ _tag }) => _tag === "Running" })
  )

const releaseMillis = 20

/** The milliseconds of an interrupt without the finalizer at the runner: the 99th percentile. */
const interrupts = withThreads(({ threads }) =>
  Effect.gen(function* () {
    const millis: Array<number> = []
    for (let n = 0; n < 200; n++) {
      const thread = yield* holding(threads, releaseMillis)
      const start = performance.now()
      yield* Thread.interrupt(thread)
      millis.push(performance.now() - start - releaseMillis)
    }
    return millis.toSorted((a, b) => a - b)[Math.ceil(millis.length * 0.99) - 1]!
  })
)

const kills = withThreads(({ runner, threads }) =>
  Effect.gen(function* () {
    const thread = yield* holding(threads, 0)
    runner.kill("SIGSTOP")
    const start = performance.now()
    yield* Thread.shutdown(thread, { escalation: { kill: "10 seconds" } })
    const millis = performance.now() - start
    runner.kill("SIGCONT")
    return millis
  })
)

const takeovers = withThreads(({ runner, threads }) =>
  Effect.gen(function* () {
    const thread = yield* holding(threads, 0)
    const start = performance.now()
    runner.kill("SIGKILL")
    const exit = yield* Thread.await(thread)
    if (Option.isNone(ForcedEnd.fromExit(exit))) return yield* Effect.die(new Error("The thread was not killed"))
    return performance.now() - start
  })
)

/** More leases than a runner takes by one statement. */
const leaseCount = 200

const leaseTakeovers = withThreads(
  ({ runners, threads }) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient
      const leases = Effect.map(
        sql<{ readonly count: number }>`SELECT COUNT(*) AS count FROM quiesce_leases WHERE value IS NOT NULL`,
        ([row]) => Number(row?.count)
      )
      const pause = Effect.sleep(5)
      const thread = yield* threads.spawn("Keep", { leases: leaseCount })
      yield* Effect.repeat(Effect.andThen(pause, leases), { until: (count) => count === leaseCount })
      const { runsOn } = yield* Effect.repeat(Effect.andThen(pause, ThreadDump.of(thread)), {
        until: ({ runsOn }) => runsOn !== undefined
      })
      const runner = runners.get(Number(runsOn?.split(":").at(-1)))
      if (runner === undefined) return yield* Effect.die(new Error(`No runner is named ${runsOn}`))
      const start = performance.now()
      runner.kill("SIGKILL")
      yield* Thread.await(thread)
      yield* Effect.repeat(Effect.andThen(pause, leases), { until: (count) => count === 0 })
      return performance.now() - start
    }),
  2
)

export const comparisons: ReadonlyArray<Comparison> = [
  {
    id: "cluster-spawn-against-volatile-call",
    unit: "us a call, 64 at a time, with a row against none",
    ours: threadCalls,
    peer: bareCalls,
    direction: "at most",
    // At least 0.6 times the rate.
    target: 1 / 0.6,
    rounds: 5
  },
  {
    id: "cluster-spawn-against-persisted-call",
    unit: "us a call, 64 at a time, both with rows",
    ours: threadCalls,
    peer: storedCalls,
    direction: "at least",
    target: 3,
    rounds: 3
  },
  {
    id: "cluster-interrupt-p99-millis",
    unit: "ms over the finalizer at the runner",
    ours: interrupts,
    peer: limit(20),
    direction: "at most",
    target: 1,
    rounds: 3
  },
  {
    id: "cluster-kill-deaf-runner-millis",
    unit: "ms until a thread of a frozen runner is killed",
    ours: kills,
    peer: limit(50),
    direction: "at most",
    target: 1,
    rounds: 5
  },
  {
    id: "cluster-takeover-millis",
    unit: "ms from the SIGKILL of a runner to the end of its thread",
    ours: takeovers,
    peer: limit(2000),
    direction: "at most",
    target: 1,
    rounds: 5
  },
  {
    id: "cluster-takeover-leases-millis",
    unit: "ms from the SIGKILL of a runner until another runner has released 200 leases of its thread",
    ours: leaseTakeovers,
    peer: limit(2000),
    direction: "at most",
    target: 1,
    rounds: 3
  }
]
