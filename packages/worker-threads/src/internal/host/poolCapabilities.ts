/**
 * The capabilities of the workers of one pool. Each worker reports its own when it is ready.
 *
 * Invariant: the capabilities of a pool never grow. A worker that can do less than the others counts, also after its
 * end, because the next worker loads the same modules.
 */
import { workerData } from "node:worker_threads"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { type Capabilities, handshakeOf, type Unwind } from "../wire/handshake.ts"

/** The warnings about Effect that have been logged in this process. */
const logged = new Set<string>()

/** A worker can't fill the log with ever new warnings. */
const mostWarnings = 16

const ranks: Readonly<Record<Unwind["_tag"], number>> = { None: 0, SectionsOnly: 1, SectionsAndOtherCode: 2 }

const least = (one: Unwind, other: Unwind): Unwind => (ranks[other._tag] < ranks[one._tag] ? other : one)

export class PoolCapabilities {
  /** The capabilities of the process, before any report of a worker. */
  readonly ofProcess: Capabilities
  /** The same; undefined if they are only assumed. */
  readonly measured: Capabilities | undefined
  current: Capabilities
  /** Completes when it is known whether code can be ended in this process at all. */
  readonly permission: Effect.Effect<Unwind>
  private readonly context: Context.Context<never>

  /** `tried` completes with the capabilities of the process if `ofProcess` are only assumed. */
  constructor(ofProcess: Capabilities, tried: Effect.Effect<Unwind> | undefined, context: Context.Context<never>) {
    this.measured = tried === undefined ? ofProcess : undefined
    this.permission = tried ?? Effect.succeed(ofProcess.unwind)
    this.ofProcess = ofProcess
    this.current = ofProcess
    this.context = context
  }

  /**
   * Takes the report of a worker that is ready. `known` has the capabilities that were known of the worker before.
   * Returns the capabilities of this worker.
   */
  report(unwind: Unwind, problem: string | null, known: Unwind = this.ofProcess.unwind): Unwind {
    if (problem !== null) this.warn(problem)
    this.current = { unwind: least(this.current.unwind, unwind) }
    return least(known, unwind)
  }

  /** Logs each warning once in a process. A worker of a pool leaves that to the pool, because both load the same Effect. */
  private warn(problem: string): void {
    if (logged.has(problem) || logged.size >= mostWarnings || handshakeOf(workerData) !== undefined) return
    logged.add(problem)
    Effect.runForkWith(this.context)(Effect.logWarning(problem))
  }
}
