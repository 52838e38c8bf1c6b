/** Opens the pools of the laws of pools, and runs scenarios on them. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Worker, type WorkerOptions } from "node:worker_threads"
import * as Abort from "@quiesce/core/Abort"
import * as HostLease from "@quiesce/worker-threads/HostLease"
import * as HostLeases from "@quiesce/worker-threads/HostLeases"
import * as WorkerPool from "@quiesce/worker-threads/WorkerPool"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import type { Keeper, Leases as HostsLeases } from "../../../worker-threads/src/internal/leases/keeper.ts"
import { HostLeases as Kept } from "../../../worker-threads/src/internal/leases/leaseKeeper.ts"
import * as PlainPool from "../../../worker-threads/src/internal/plainTask/host/plainPool.ts"
import { PoolTasks } from "./contract.ts"
import { isQueueFault, plant, type QueueFault } from "./planted.ts"
import type { LightFault } from "./plantedLight.ts"
import { type Leases, perform, type PoolTrace, type Subject } from "./poolRun.ts"
import type { PoolScenario } from "./scenario.ts"
import { prefixOf, type Work } from "./work.ts"

type LeaseFault = "forgets leases" | "releases late" | "releases twice"

export type PoolFault = QueueFault | LightFault | LeaseFault

/** A kill follows soon. */
const escalation = { interrupt: "200 millis", unwind: "1 second", kill: "5 seconds" } as const

/** Counts the leases of each call by the prefix of its folder. No folder is made. */
class Counter {
  private readonly counts: Map<string, { acquired: number; released: number }> = new Map()
  readonly handler: HostLease.Handler

  constructor(fault: PoolFault | undefined) {
    const times = fault === "releases twice" ? 2 : 1
    this.handler = HostLease.handler(HostLeases.temporaryFolder, ({ prefix = "" }) => {
      const count = this.of(prefix)
      return Effect.acquireRelease(
        Effect.sync(() => {
          count.acquired++
          return { path: prefix }
        }),
        () => Effect.sync(() => (count.released += times))
      )
    })
  }

  private of(prefix: string): { acquired: number; released: number } {
    const known = this.counts.get(prefix)
    if (known !== undefined) return known
    const count = { acquired: 0, released: 0 }
    this.counts.set(prefix, count)
    return count
  }

  readonly leases = (_: unknown, n: number): Leases => ({ ...this.of(prefixOf(n)) })
}

const noFailures = Effect.succeed(Cause.empty)

/** Keepers with a fault at the end of their call. */
const faulty = (leases: HostsLeases, fault: PoolFault | undefined): HostsLeases => {
  const closeOf = (keeper: Keeper, exit: Exit.Exit<unknown, unknown>): ReturnType<Keeper["close"]> => {
    if (fault === "forgets leases") return Exit.isSuccess(exit) ? keeper.close(exit) : noFailures
    if (fault !== "releases late") return keeper.close(exit)
    return Effect.suspend(() => {
      Effect.runFork(
        Effect.delay(
          Effect.suspend(() => keeper.close(exit)),
          "20 millis"
        )
      )
      return noFailures
    })
  }
  return {
    idle: leases.idle,
    keeperFor: (owner) => {
      const keeper = leases.keeperFor(owner)
      return {
        get isEmpty() {
          return keeper.isEmpty
        },
        receive: (message) => keeper.receive(message),
        close: (exit) => closeOf(keeper, exit)
      }
    }
  }
}

/** The private parts of a pool of plain functions. */
interface Parts {
  readonly leases: { loading: Promise<HostsLeases>; readonly closing: Kept["closing"] }
}

/** Lost workers are no news here. */
const quietly = Effect.provideService(Logger.CurrentLoggers, new Set<Logger.Logger<unknown, unknown>>())

const taskWorker = new URL("../../../worker-threads/src/internal/plainTask/task.worker.ts", import.meta.url)
const work = new URL("./work.ts", import.meta.url)

const startPlain = (options: WorkerOptions): Worker => new Worker(taskWorker, options)

const startContract = (options: WorkerOptions): Worker =>
  new Worker(new URL("./pools.worker.ts", import.meta.url), options)

const openPlain = async (scenario: PoolScenario, fault: PoolFault | undefined): Promise<Subject> => {
  const { concurrency, workers } = scenario
  const scope = Scope.makeUnsafe()
  const opening = PlainPool.open({ spawn: startPlain, size: workers, concurrency, escalation })
  const pool = await Effect.runPromise(quietly(Scope.provide(opening, scope)))
  const counter = new Counter(fault)
  // The pool would load the handlers of the ready leases. The field is private.
  const { leases } = pool as unknown as Parts
  leases.loading = Promise.resolve(faulty(new Kept([counter.handler], Context.empty(), leases.closing), fault))
  const { dispatcher, settings } = pool
  return {
    run: (input, { priority = 0, signal }) => {
      const options = { name: undefined, transfer: [], onReport: undefined, settings: { ...settings, priority } }
      const called = pool.execute({ url: work.href, input, reports: false }, options)
      // The function returns a number.
      return Abort.run(called as Effect.Effect<number, unknown>, { signal })
    },
    drain: ({ queued = "finish", within = Infinity }) => Effect.runPromise(dispatcher.drain(Number(within), queued)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
    leases: counter.leases
  }
}

const openContract = async (scenario: PoolScenario, fault: PoolFault | undefined): Promise<Subject> => {
  const { concurrency, workers } = scenario
  const counter = new Counter(fault)
  const scope = Scope.makeUnsafe()
  const options = { spawn: startContract, size: workers, concurrency, escalation, hostLeases: [counter.handler] }
  const pool = await Effect.runPromise(quietly(Scope.provide(WorkerPool.make(PoolTasks, options), scope)))
  return {
    run: ({ cells, ...given }: Work, options) => pool.run("Work", { ...given, cells: cells! }, options),
    drain: (options) => Effect.runPromise(pool.drain(options)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void)),
    leases: counter.leases
  }
}

const onLight = async (scenario: PoolScenario, fault: PoolFault | undefined, patience: number): Promise<PoolTrace> => {
  const program = fileURLToPath(new URL("./light-main.ts", import.meta.url))
  const args = [program, JSON.stringify(scenario), String(patience), ...(fault === undefined ? [] : [fault])]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24 })
  // The program prints its trace.
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as PoolTrace
}

const patience = 60_000
const shortPatience = 1000

/** Runs a scenario. A planted fault is in all pools of the process during the run. */
export const run = async (scenario: PoolScenario, fault?: PoolFault): Promise<PoolTrace> => {
  const limit = fault === undefined ? patience : shortPatience
  if (scenario.kind === "light") return onLight(scenario, fault, limit)
  const undo = isQueueFault(fault) ? plant(fault) : undefined
  try {
    const open = scenario.kind === "plain" ? openPlain : openContract
    return await perform(await open(scenario, fault), scenario, limit)
  } finally {
    undo?.()
  }
}
