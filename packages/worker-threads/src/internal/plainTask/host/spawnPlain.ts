/** Starts the workers of plain functions. Nothing here loads Effect. */
import { type MessagePort, type ResourceLimits, Worker, type WorkerOptions } from "node:worker_threads"
import { startWith } from "../../host/inheritedFlags.ts"
import type { WorkerEnds } from "../../host/workerEnds.ts"
import { type Handshake, handshakeKey, protocol, source } from "../../wire/handshake.ts"

/** See `Task.WorkerSettings`. */
export interface WorkerSettings {
  readonly name?: string | undefined
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly argv?: ReadonlyArray<string> | undefined
  readonly execArgv?: ReadonlyArray<string> | undefined
  readonly resourceLimits?: Readonly<ResourceLimits> | undefined
}

export class SpawnPlain {
  private readonly module: URL | string
  private readonly settings: WorkerSettings

  /** `module` is the module of the workers. */
  constructor(module: URL | string, settings: WorkerSettings = {}) {
    this.module = module
    this.settings = settings
  }

  /** Starts a worker for a pool. The flags of the caller come last, because the last of two contrary flags counts. */
  readonly spawn = (options: WorkerOptions): Worker => {
    const { argv, env, execArgv, name, resourceLimits } = this.settings
    const flags = [...(options.execArgv ?? []), ...(execArgv ?? [])]
    const given = { argv: argv && [...argv], env: env && { ...env }, name, resourceLimits }
    // A value of undefined is no option for Node.
    const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    return new Worker(this.module, { ...set, ...options, execArgv: flags })
  }

  /** Starts a worker before its pool is opened. The worker loads the module at `url`. */
  early({ given, remote }: WorkerEnds, url: string): Worker {
    const port: MessagePort = remote
    const handshake = { ...given, capabilities: undefined, protocol, source, port, early: url } satisfies Handshake
    const workerData = { [handshakeKey]: handshake }
    return startWith((execArgv) => this.spawn({ workerData, transferList: [remote], execArgv }))
  }
}
