/**
 * A pool with a worker that runs one scenario at a time, and the parts that all runs share.
 *
 * Invariants:
 * 1. One run is under way at a time.
 * 2. A worker in a state that the next run could notice is not used again.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker, type WorkerOptions } from "node:worker_threads"
import * as Thread from "@quiesce/core/Thread"
import { isForced, type Outcome, type Bystander } from "@quiesce/testing/laws/Outcome"
import type { Instruction, Program } from "@quiesce/testing/laws/Program"
import type { Scenario } from "@quiesce/testing/laws/Scenario"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import { SharedMutex } from "@quiesce/worker-threads"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as CleanupLog from "./cleanupLog.ts"
import { cell, type Cells, makeCells, testWorkerKey, type ToHost, type ToWorker } from "./messages.ts"
import { HostRun } from "./hostRun.ts"
import { quiet } from "./quiet.ts"
import { handOf } from "./runClock.ts"
import type { PlainFault } from "../plain/plainContract.ts"
import type { Planted } from "./planted.ts"
import type { Given, Kind, TestPool } from "./TestPool.ts"

/**
 * The planted faults. `fault`: a kill drops the host leases of its thread; a late cancel reaches the next task; a crash takes
 * the other worker down; or a fault of the worker's side. `subject` replaces functions of the host.
 */
export interface Faults {
  readonly fault?: Fault | undefined
  readonly subject?: Partial<Subject> | undefined
}

export type Fault = "drops host leases" | "leaks cancels" | "spreads crashes" | Planted | PlainFault

/** The options of a test worker. `extra` is the extra data of its workers. */
export interface Options extends Faults {
  readonly kind: Kind
  readonly extra: string
  /**
   * The second of two workers has a slot for a bystander. A single worker has this slot beside the run.
   */
  readonly size: 1 | 2
  readonly thorough: boolean
}

let lastRun = 0

/** Whether a program takes its worker down. */
export const crashes = (program: Program): boolean => program.some(isCrash)

const isCrash = (instruction: Instruction): boolean => {
  if (instruction._tag === "Crash") return true
  if (instruction._tag === "Finally" && crashes(instruction.cleanup)) return true
  if (instruction._tag === "Group" && instruction.members.some(crashes)) return true
  return "body" in instruction && crashes(instruction.body)
}

export class TestWorker {
  private readonly cells: Cells = makeCells()
  private readonly options: Options
  private readonly workers: Set<Worker> = new Set()
  private scope: Scope.Closeable = Scope.makeUnsafe()
  private pool: TestPool | undefined = undefined
  private current: HostRun | undefined = undefined
  /** The workers that are not ready. */
  private newcomers = 0
  /** The port of the run's worker, once known. */
  private link: MessagePort | undefined = undefined

  constructor(options: Options) {
    this.options = options
  }

  private hire(options: WorkerOptions): Worker {
    this.newcomers++
    const { port1, port2 } = new MessageChannel()
    const { extra, fault, kind } = this.options
    const worker = new Worker(kind.url, {
      ...options,
      workerData: {
        ...options.workerData,
        [testWorkerKey]: { port: port2, cells: this.cells, fault, extra }
      },
      transferList: [...(options.transferList ?? []), port2]
    })
    const take = (message: ToHost): void => {
      if (message._tag === "Began") this.link = port1
      this.current?.take(message)
    }
    port1.on("message", take)
    port1.unref()
    this.workers.add(worker)
    worker.once("exit", () => {
      this.workers.delete(worker)
      if (this.options.fault === "spreads crashes") for (const other of this.workers) void other.terminate()
      setImmediate(() => {
        // Earlier messages may still be in the port, because the port and the worker's end are not ordered.
        for (let left = receiveMessageOnPort(port1); left !== undefined; left = receiveMessageOnPort(port1)) {
          take(left.message)
        }
        if (this.link === port1) {
          this.link = undefined
          this.current?.gone()
        }
        port1.close()
      })
    })
    return worker
  }

  private keep(payload: { readonly lease: string; readonly thread: string; readonly scope: string }) {
    const { lease, scope, thread } = payload
    const run = this.current
    return Effect.acquireRelease(
      Effect.sync(() => run?.noteKept({ _tag: "Acquired", thread, lease, scope, kept: true })),
      (_, exit) =>
        Effect.sync(() => {
          if (this.options.fault === "drops host leases" && isForced(exit)) return
          const reason = Option.getOrUndefined(CancelReason.fromExit(exit))
          run?.noteKept({ _tag: "Releasing", thread, lease, reason })
          run?.noteKept({ _tag: "Released", thread, lease, how: "ok" })
        })
    )
  }

  /** The pool, with all its workers ready for runs. */
  private async open(): Promise<TestPool> {
    if (this.pool === undefined) {
      const { kind, size } = this.options
      const concurrency = size === 1 ? 2 : 1
      const host = { hire: this.hire.bind(this), keep: this.keep.bind(this), size, concurrency }
      this.pool = await Effect.runPromise(Scope.provide(quietly(kind.open(host)), this.scope))
    }
    const { pool } = this
    const hello = Effect.all(
      Array.from({ length: this.options.size }, () => pool.hello),
      { concurrency: "unbounded" }
    )
    while (this.newcomers > 0) {
      // One after another, until each worker has had its turn.
      const greeted = new Set(await Effect.runPromise(hello))
      if (greeted.size === this.options.size) this.newcomers = 0
    }
    return pool
  }

  async run(scenario: Scenario, cut: number | null): Promise<Outcome> {
    // An idle pool does not keep the process alive, but here the worker is awaited after the end of the task.
    const alive = setInterval(() => {}, 60_000)
    try {
      if (scenario.call !== "promise") return await this.runOnce(scenario, cut)
      return await CleanupLog.watch(
        () => this.current?.noteLogged(),
        () => this.runOnce(scenario, cut)
      )
    } finally {
      clearInterval(alive)
    }
  }

  private async runOnce(scenario: Scenario, cut: number | null): Promise<Outcome> {
    const pool = await this.open()
    const mutex = SharedMutex.makeUnsafe()
    const { cells } = this
    Atomics.store(cells, cell.gate, 0)
    const blockers = scenario.waits === undefined ? undefined : await this.block(pool)
    const run = new HostRun(++lastRun, scenario, cut, {
      hand: handOf(cells),
      sequence: () => Atomics.add(cells, cell.sequence, 1),
      quiet,
      hasArrived: () => true,
      resume: () => resume(cells),
      endSection: (spin) => Atomics.store(cells, cell.gate, spin),
      killEndsWorker: true,
      thorough: this.options.thorough,
      subject: { ...core, ...this.options.subject },
      post: (message: ToWorker) => this.link?.postMessage(message),
      place: blockers?.end,
      isCall: callOf(pool, scenario) !== undefined,
      spawn: (options) => {
        const given = { run: run.run, scenario, cut, mutex }
        return Effect.map(spawned(pool, given, options), (thread) => {
          if (scenario.bystanders) ThreadAdapter.onExit(thread, () => bystanders.next(this.isLeaking(thread)))
          return thread
        })
      },
      lock: () => Effect.runPromise(stateOf(mutex))
    })
    const bystanders = new Bystanders(pool, this.options.size === 1 ? "beside" : "elsewhere")
    if (scenario.bystanders) await bystanders.begin()
    this.current = run
    const outcome = await run.outcome()
    this.current = undefined
    await blockers?.end()
    const seen = scenario.bystanders ? await bystanders.end() : []
    if (outcome.end !== "Done" || outcome.leftovers === undefined) await this.renew(outcome)
    return { ...outcome, bystanders: seen }
  }

  /** Fills all places, so that the thread of the run has to wait. */
  private async block(pool: TestPool): Promise<Bystanders> {
    const blockers = new Bystanders(pool, "beside")
    for (let place = 0; place < 2; place++) await blockers.begin()
    return blockers
  }

  private isLeaking(thread: Thread.Thread<unknown, unknown>): boolean {
    return this.options.fault === "leaks cancels" && thread.reason !== undefined
  }

  /** The pool replaces a gone worker. This function replaces a pool whose worker does not end. */
  private async renew(outcome: Outcome): Promise<void> {
    const hasStarted = outcome.events.some(({ _tag }) => _tag === "Started")
    if (outcome.end === "Done" && (isForced(outcome.threads.get("t")?.exit) || !hasStarted)) return
    await this.close()
    this.scope = Scope.makeUnsafe()
    this.pool = undefined
  }

  async close(): Promise<void> {
    await Effect.runPromise(Scope.close(this.scope, Exit.void))
  }
}

/** The thread of the run. A call without a handle is the body of a thread of the host. */
const spawned = (pool: TestPool, given: Given, options: Thread.SpawnOptions): ReturnType<Subject["spawn"]> => {
  const called = callOf(pool, given.scenario)
  return called === undefined ? pool.run(given, options) : core.spawn(called(given), options)
}

/** The call of a scenario without a handle. A pool without such calls spawns each program. */
const callOf = (
  pool: TestPool,
  { call }: Scenario
): ((given: Given) => ReturnType<NonNullable<TestPool["call"]>>) | undefined =>
  call === undefined || pool.call === undefined ? undefined : (given) => pool.call!(call, given)

/** The programs lose many workers, and each loss would be logged. */
const quietly = Effect.provideService(Logger.CurrentLoggers, new Set<Logger.Logger<unknown, unknown>>())

/** Batched messages are sent at the end of this turn. */
const resume = (cells: Cells): void =>
  void setImmediate(() => {
    Atomics.store(cells, cell.waiting, 0)
    Atomics.notify(cells, cell.waiting)
  })

/** The state of a lock after the run. */
const stateOf = (mutex: SharedMutex.SharedMutex): Effect.Effect<"free" | "held" | "ownerDied"> =>
  Effect.orDie(
    Effect.scoped(
      Effect.map(SharedMutex.tryLock(mutex), (guard) => {
        if (Option.isNone(guard)) return "held"
        return guard.value.ownerDied ? "ownerDied" : "free"
      })
    )
  )

/** The bystanders of a run. */
class Bystanders {
  private readonly pool: TestPool
  private readonly where: Bystander["where"]
  private readonly word = new Int32Array(new SharedArrayBuffer(4))
  private readonly all: Array<Promise<Bystander>> = []

  constructor(pool: TestPool, where: Bystander["where"]) {
    this.pool = pool
    this.where = where
  }

  async begin(): Promise<void> {
    this.all.push(this.start(this.where, this.word, false))
    // The request has been sent.
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** A bystander in the slot that has just become free. */
  next(isLeaking: boolean): void {
    this.all.push(this.start("next", new Int32Array(new SharedArrayBuffer(4)).fill(1), isLeaking))
  }

  readonly end = (): Promise<ReadonlyArray<Bystander>> => {
    Atomics.store(this.word, 0, 1)
    return Promise.all(this.all)
  }

  private async start(
    where: Bystander["where"],
    word: Int32Array<SharedArrayBuffer>,
    isLeaking: boolean
  ): Promise<Bystander> {
    const started = Effect.flatMap(this.pool.bystander(word), (thread) =>
      Effect.andThen(isLeaking ? Thread.interruptFork(thread) : Effect.void, Thread.join(thread))
    )
    const exit = await Effect.runPromise(Effect.exit(Effect.scoped(started)))
    if (Exit.isSuccess(exit)) return { where, crashed: false, problems: exit.value }
    if (isForced(exit)) return { where, crashed: true, problems: [] }
    return { where, crashed: false, problems: [`it ended in ${Cause.pretty(exit.cause).split("\n", 1)[0]}`] }
  }
}
