/** The pool of a test worker, and how each kind of adapter makes one. */
import type { Worker, WorkerOptions } from "node:worker_threads"
import type * as Thread from "@quiesce/core/Thread"
import type { Program } from "@quiesce/testing/laws/Program"
import type { Call, Scenario } from "@quiesce/testing/laws/Scenario"
import type { Subject, Work } from "@quiesce/testing/laws/Subject"
import type { SharedMutex } from "@quiesce/worker-threads"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** The task of one run. */
export interface Given {
  readonly run: number
  readonly scenario: Scenario
  readonly cut: number | null
  readonly mutex: SharedMutex.SharedMutex
}

/** The pool of a test worker. */
export interface TestPool {
  /** Returns the id of the worker's thread. The worker can then take a run. */
  readonly hello: Effect.Effect<number, unknown>
  readonly run: (given: Given, options: Thread.SpawnOptions) => ReturnType<Subject["spawn"]>
  /** Runs a task by a function that returns no handle, if the pool has such functions. */
  readonly call?: ((how: Call, given: Given) => Work) | undefined
  readonly bystander: (
    word: Int32Array<SharedArrayBuffer>
  ) => Effect.Effect<Thread.Thread<ReadonlyArray<string>, unknown>, unknown, Scope.Scope>
}

/** The parts of a test worker that its pool needs. */
interface PoolHost {
  readonly hire: (options: WorkerOptions) => Worker
  readonly size: number
  readonly concurrency: number
  /** Acquires a lease of the current run, for a pool whose host keeps leases. */
  readonly keep: (payload: {
    readonly lease: string
    readonly thread: string
    readonly scope: string
  }) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * The kind of a test worker: the module of its workers, their extra `workerData` for a program, and the pool. Programs with
 * different extra data run on different workers.
 */
export interface Kind {
  readonly url: URL
  readonly extra: (program: Program) => string
  readonly open: (host: PoolHost) => Effect.Effect<TestPool, unknown, Scope.Scope>
}
