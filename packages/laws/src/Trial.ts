/** Trials of laws on adapters: the extent, and the number of cores. */
import { once } from "node:events"
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import * as Adapter from "@quiesce/testing/laws/Adapter"
import type { Name } from "@quiesce/testing/laws/Law"
import * as Search from "@quiesce/testing/laws/Search"
import * as ClusterAdapter from "./ClusterAdapter.ts"
import * as ClusterProcessAdapter from "./ClusterProcessAdapter.ts"
import * as PlainAdapter from "./PlainAdapter.ts"
import { isPoolLaw, type PoolLaw, poolLaws } from "./pools/laws.ts"
import * as PoolSearch from "./pools/poolSearch.ts"
import * as ProcessAdapter from "./ProcessAdapter.ts"
import * as ClusterSearch from "./simulated/clusterSearch.ts"
import { type ClusterLaw, clusterLaws, isClusterLaw } from "./simulated/laws.ts"
import * as WorkerAdapter from "./WorkerAdapter.ts"

/** The names of the adapters on the command line. */
export const adapters = ["fibers", "workers", "plain", "processes", "cluster", "cluster-processes"] as const

type AdapterName = (typeof adapters)[number]

export interface Trial {
  readonly adapter: AdapterName
  readonly law: Name | "model" | ClusterLaw | PoolLaw
  readonly budget: Search.Budget
}

export interface Result {
  readonly finding: Search.Finding | ClusterSearch.ClusterFinding | PoolSearch.PoolFinding
  readonly seconds: number
}

/** The options of the command line. */
export interface Asked {
  readonly quick?: boolean | undefined
  readonly adapter?: string | undefined
  readonly law?: string | undefined
  readonly programs?: string | undefined
  readonly seed?: string | undefined
}

const budgets = {
  fibers: { quick: { programs: 200, whole: 50, cuts: 20 }, deep: { programs: 100_000, whole: 2000, cuts: 8 } },
  workers: { quick: { programs: 40, whole: 0, cuts: 3 }, deep: { programs: 2000, whole: 20, cuts: 5 } },
  plain: { quick: { programs: 40, whole: 0, cuts: 3 }, deep: { programs: 2000, whole: 20, cuts: 5 } },
  // Each run starts a process.
  processes: { quick: { programs: 8, whole: 0, cuts: 2 }, deep: { programs: 100, whole: 5, cuts: 4 } },
  // Each run starts a cluster in this process.
  cluster: { quick: { programs: 8, whole: 0, cuts: 3 }, deep: { programs: 2000, whole: 5, cuts: 5 } },
  // All runs share two runner processes.
  "cluster-processes": { quick: { programs: 2, whole: 0, cuts: 1 }, deep: { programs: 1000, whole: 5, cuts: 5 } }
} as const

/** The laws that need killed workers. For other laws a kill would only cost time. */
const killing: ReadonlySet<Name> = new Set([
  "kill-is-visible",
  "ladder-monotone",
  "report-true",
  "unwind-precise",
  "crash-contained"
])

/** Whether the programs of a law are scenarios of a cluster or of a pool. Other adapters can't run such programs. */
export const hasScenarios = (law: Trial["law"]): law is ClusterLaw | PoolLaw => isClusterLaw(law) || isPoolLaw(law)

export const isKilling = (law: Trial["law"]): boolean => law !== "model" && !hasScenarios(law) && killing.has(law)

/** Laws with slow cuts, which may cost a worker or half a second, get fewer cuts. */
export const budgetOf = (adapter: Trial["adapter"], law: Trial["law"], deep: boolean): Search.Budget => {
  if (isClusterLaw(law)) return { programs: deep ? 10_000 : 8, whole: 0 }
  // Each run opens a pool.
  if (isPoolLaw(law)) return { programs: deep ? 1000 : 4, whole: 0 }
  const budget = budgets[adapter][deep ? "deep" : "quick"]
  return (adapter === "workers" || adapter === "plain") && isKilling(law) ? { ...budget, cuts: deep ? 2 : 1 } : budget
}

const lacks: Record<AdapterName, Adapter.Adapter["lacks"]> = {
  fibers: Adapter.fibers.lacks,
  workers: {},
  plain: PlainAdapter.lacks,
  processes: ProcessAdapter.lacks,
  cluster: ClusterAdapter.lacks,
  "cluster-processes": ClusterAdapter.lacks
}

/** The requested trials. */
export const select = (asked: Asked): ReadonlyArray<Trial> =>
  adapters.flatMap((adapter) => {
    if (asked.adapter !== undefined && asked.adapter !== adapter) return []
    const laws = Adapter.applying({ ...Adapter.fibers, lacks: lacks[adapter] })
    // The model computes the exits of programs. The exit of a process is only a code.
    return [
      ...laws,
      ...(adapter === "processes" ? [] : ["model" as const]),
      ...(adapter === "cluster" ? clusterLaws : []),
      ...(adapter in PoolSearch.kindsOf ? poolLaws : [])
    ]
      .filter((law) => asked.law === undefined || asked.law === law)
      .map((law) => ({ adapter, law, budget: adjusted(budgetOf(adapter, law, asked.quick !== true), asked) }))
  })

const adjusted = (budget: Search.Budget, { programs, seed }: Asked): Search.Budget => ({
  ...budget,
  ...(programs === undefined
    ? {}
    : { programs: Number(programs), whole: Math.min(budget.whole ?? 0, Number(programs)) }),
  ...(seed === undefined ? {} : { seed: Number(seed) })
})

/** Runs trials on fibers side by side, one on each core, then those on workers, which take all cores themselves. */
export const runAll = async (trials: ReadonlyArray<Trial>, done: (result: Result) => void): Promise<void> => {
  const fibers = trials.filter(({ adapter }) => adapter === "fibers")
  let next = 0
  const queue = (): Trial | undefined => fibers[next++]
  const lanes = Array.from({ length: Math.min(fibers.length, availableParallelism()) }, () => inThreads(queue, done))
  await Promise.all(lanes)
  await onWorkers(
    WorkerAdapter.make,
    trials.filter(({ adapter }) => adapter === "workers"),
    done
  )
  await onWorkers(
    PlainAdapter.make,
    trials.filter(({ adapter }) => adapter === "plain"),
    done
  )
  const twoRunners = ClusterProcessAdapter.make()
  const inThisThread: Partial<Record<AdapterName, Adapter.Adapter>> = {
    processes: ProcessAdapter.make(),
    cluster: ClusterAdapter.make(),
    "cluster-processes": twoRunners
  }
  try {
    for (const trial of trials) {
      const adapter = inThisThread[trial.adapter]
      if (adapter !== undefined) done(await run(trial, adapter))
    }
  } finally {
    await twoRunners.close()
  }
}

const onWorkers = async (
  make: typeof WorkerAdapter.make,
  trials: ReadonlyArray<Trial>,
  done: (result: Result) => void
): Promise<void> => {
  const cores = Math.max(2, availableParallelism())
  const cheap = make(cores, { kills: false, thorough: false })
  const costly = make(cores)
  try {
    for (const trial of trials) done(await run(trial, isKilling(trial.law) ? costly : cheap))
  } finally {
    await Promise.all([cheap.close(), costly.close()])
  }
}

/** One trial. */
export const run = async ({ adapter: trialAdapter, budget, law }: Trial, adapter: Adapter.Adapter): Promise<Result> => {
  const start = performance.now()
  const finding = isPoolLaw(law) ? await onPools(law, trialAdapter, budget) : await search(law, adapter, budget)
  return { finding, seconds: (performance.now() - start) / 1000 }
}

const onPools = (law: PoolLaw, adapter: AdapterName, budget: Search.Budget): Promise<PoolSearch.PoolFinding> =>
  PoolSearch.search(law, adapter === "plain" ? "plain" : "workers", budget)

const search = (
  law: Exclude<Trial["law"], PoolLaw>,
  adapter: Adapter.Adapter,
  budget: Search.Budget
): Promise<Result["finding"]> => {
  if (isClusterLaw(law)) return ClusterSearch.search(law, budget)
  return law === "model" ? Search.model(adapter, budget) : Search.runAll(law, adapter, budget)
}

/** Runs trials one after another, each in a thread of its own, so that its memory is freed. */
const inThreads = async (queue: () => Trial | undefined, done: (result: Result) => void): Promise<void> => {
  for (let trial = queue(); trial !== undefined; trial = queue()) {
    const worker = new Worker(new URL("./fibers.worker.ts", import.meta.url))
    try {
      worker.postMessage(trial)
      const [result] = (await once(worker, "message")) as [Result]
      done(result)
    } finally {
      await worker.terminate()
    }
  }
}
