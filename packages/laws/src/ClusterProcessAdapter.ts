/**
 * The adapter that runs the laws' programs at two runner processes over one SQLite file, step by step in virtual time.
 *
 * The processes start once. A program reaches its runner as data, and the shards decide at which runner its first thread
 * runs. The first thread is a thread of the cluster, with the program's other threads beside it. The client, which has
 * the handle and makes the requests, is in this process. Messages cross real sockets.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as ClusterRunner from "@quiesce/cluster/ClusterRunner"
import * as ClusterStore from "@quiesce/cluster/ClusterStore"
import * as ClusterThreads from "@quiesce/cluster/ClusterThreads"
import type * as Adapter from "@quiesce/testing/laws/Adapter"
import type { Outcome } from "@quiesce/testing/laws/Outcome"
import type { Scenario } from "@quiesce/testing/laws/Scenario"
import { core } from "@quiesce/testing/laws/Subject"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { lacks as ofEmbedded } from "./ClusterAdapter.ts"
import { type Given, ProgramTasks, shardsPerGroup } from "./cluster/programTasks.ts"
import { RunnerProcess } from "./cluster/runnerProcess.ts"
import { sequence, SharedTime } from "./cluster/sharedTime.ts"
import { Traffic } from "./cluster/traffic.ts"
import { HostRun } from "./workers/hostRun.ts"

/** The laws that these processes can't break or keep, each with the reason. */
const lacks: Adapter.Adapter["lacks"] = {
  ...ofEmbedded,
  "crash-contained":
    "a crash of a body's JavaScript thread ends its runner's process, in which all runs share the time; the cluster's own laws kill runners"
}

/** The adapter with its processes, which `close` ends. */
export interface ClusterProcessAdapter extends Adapter.Adapter {
  /** The same processes, with a planted fault. */
  readonly planted: (faults: Faults) => Adapter.Adapter
  /** The number of runs at each runner. */
  readonly runs: () => ReadonlyArray<number>
  readonly close: () => Promise<void>
}

/** A planted fault of the bodies. */
export interface Faults {
  readonly fault?: Given["fault"] | undefined
}

/** Makes an adapter. The processes start with the first run. */
export const make = (): ClusterProcessAdapter => {
  let opened: Promise<Processes> | undefined
  let processes: Processes | undefined
  const planted = (faults: Faults): Adapter.Adapter => ({
    name: "a cluster of two processes",
    lacks,
    isDelayed: true,
    run: async (scenario, cut) => {
      processes ??= await (opened ??= Processes.open())
      return processes.run(scenario, cut, faults)
    }
  })
  return {
    ...planted({}),
    planted,
    runs: () => processes?.counts ?? [],
    close: async () => (await opened)?.close()
  }
}

let lastRun = 0

/** A client in this process, and two runner processes. */
class Processes {
  /** The number of runs at each runner. */
  readonly counts: Array<number> = [0, 0]
  private readonly traffic: Traffic
  private readonly time: SharedTime
  private readonly threads: ClusterThreads.Of<typeof ProgramTasks>
  private readonly runners: ReadonlyArray<RunnerProcess>
  readonly close: () => Promise<void>

  private constructor(
    traffic: Traffic,
    time: SharedTime,
    threads: ClusterThreads.Of<typeof ProgramTasks>,
    runners: ReadonlyArray<RunnerProcess>,
    close: () => Promise<void>
  ) {
    this.traffic = traffic
    this.time = time
    this.threads = threads
    this.runners = runners
    this.close = close
  }

  static async open(): Promise<Processes> {
    const folder = mkdtempSync(join(tmpdir(), "quiesce-laws-"))
    const [filename, clock] = [join(folder, "threads.db"), join(folder, "time")]
    const traffic = new Traffic("client")
    const time = new SharedTime(clock, "host")
    time.now = 0
    // The first makes the tables.
    const first = await RunnerProcess.start(traffic, [filename, clock])
    const runners = [first, await RunnerProcess.start(traffic, [filename, clock])]
    const scope = Scope.makeUnsafe()
    const threads = await Effect.runPromise(Scope.provide(clientOf(filename), scope))
    return new Processes(traffic, time, threads, runners, async () => {
      await Effect.runPromise(Scope.close(scope, Exit.void))
      await Promise.all(runners.map((runner) => runner.close()))
      rmSync(folder, { recursive: true, force: true })
    })
  }

  async run(scenario: Scenario, cut: number | null, { fault = null }: Faults): Promise<Outcome> {
    const { threads, time, traffic } = this
    const run = ++lastRun
    let at: RunnerProcess | undefined
    const hostRun = new HostRun(run, scenario, cut, {
      hand: time,
      sequence,
      quiet: () => traffic.quiet(),
      hasArrived: ({ bytes = {} }) => traffic.matches(bytes),
      resume: () => void traffic.quiet().then(() => at?.answer({ run, _tag: "Resume" })),
      endSection: () => {},
      killEndsWorker: false,
      isCall: false,
      post: (message) => at?.answer(message),
      spawn: (options) => threads.spawn("Run", { run, scenario, cut, fault }, options),
      subject: core,
      thorough: false,
      lock: async () => "free"
    })
    let isFinished = false
    for (const [index, runner] of this.runners.entries()) {
      runner.take = (message) => {
        if (message._tag === "Began") {
          at = runner
          this.counts[index]!++
        }
        isFinished ||= message._tag === "Finished"
        hostRun.take(message)
      }
    }
    const outcome = await hostRun.outcome()
    if (!isFinished) await at?.finish(run)
    return outcome
  }
}

const clientOf = (filename: string) => {
  const client = ClusterRunner.client({ sharding: { runnerAddress: Option.none(), shardsPerGroup } }).pipe(
    Layer.provideMerge(ClusterStore.sqlite({ filename })),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
  )
  return Effect.flatMap(Layer.build(client), (services) =>
    Effect.provideContext(ClusterThreads.make(ProgramTasks), services)
  )
}
