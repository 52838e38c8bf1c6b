/**
 * Workers of plain functions that start while this thread still loads the code of their pool. Nothing here loads Effect.
 *
 * Invariant: an early worker is handed over once. One that has ended before is never handed over.
 */
import { MessageChannel, type ResourceLimits, Worker, type WorkerOptions } from "node:worker_threads"
import { startWith } from "../../host/inheritedFlags.ts"
import { earlyKey } from "../early.ts"

interface Early {
  readonly worker: Worker
  /** Sends the worker the handshake that other workers get at their start. */
  readonly handOver: (options: WorkerOptions) => void
}

/** See `Task.WorkerSettings`. */
export interface WorkerSettings {
  readonly name?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly argv?: ReadonlyArray<string> | undefined
  readonly execArgv?: ReadonlyArray<string> | undefined
  readonly resourceLimits?: Readonly<ResourceLimits> | undefined
}

export class EarlyWorkers {
  private readonly module: URL | string
  private readonly settings: WorkerSettings
  private readonly waiting: Set<Early> = new Set()

  /** `module` is the module of the workers. */
  constructor(module: URL | string, settings: WorkerSettings = {}) {
    this.module = module
    this.settings = settings
  }

  /** Starts workers that load the module of a function before they are asked to call it. */
  start(count: number, url: string): void {
    for (let i = 0; i < count; i++) {
      try {
        this.waiting.add(this.startOne(url))
      } catch {
        // The pool starts a worker of its own, and reports the problem.
        return
      }
    }
  }

  /** Starts a worker for a pool: an early one if there is one. */
  readonly spawn = (options: WorkerOptions): Worker => {
    const [early] = this.waiting
    if (early === undefined) return this.make(options)
    this.waiting.delete(early)
    early.handOver(options)
    return early.worker
  }

  /** Ends the workers that no pool has taken. */
  close(): void {
    for (const { worker } of this.waiting) void worker.terminate()
    this.waiting.clear()
  }

  /** The flags of the caller come last, because the last of two contrary flags counts. */
  private make(options: WorkerOptions): Worker {
    const { argv, env, execArgv, name, resourceLimits } = this.settings
    const flags = [...(options.execArgv ?? []), ...(execArgv ?? [])]
    const given = { argv: argv && [...argv], env: env && { ...env }, name, resourceLimits }
    // A value of undefined is no option for Node.
    const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    return new Worker(this.module, { ...set, ...options, execArgv: flags })
  }

  private startOne(url: string): Early {
    const { port1, port2 } = new MessageChannel()
    const workerData = { [earlyKey]: { port: port2, url } }
    const worker = startWith((execArgv) => this.make({ workerData, transferList: [port2], execArgv }))
    const early: Early = {
      worker,
      handOver: (options) => {
        // The worker closes the port. The list is that of the pool.
        port1.postMessage(options.workerData, options.transferList ?? [])
      }
    }
    const gone = (): void => {
      this.waiting.delete(early)
      port1.close()
    }
    // The pool that starts a worker in its place reports the problem.
    worker.on("error", gone).on("exit", gone)
    // A call keeps the process alive, as long as it waits.
    worker.unref()
    port1.unref()
    return early
  }
}
