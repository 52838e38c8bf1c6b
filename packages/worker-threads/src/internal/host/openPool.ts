/** Opens the workers of a pool in the current scope. Closing the scope ends the workers and leaves nothing behind. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Context from "effect/Context"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type * as WorkerError from "../../WorkerError.ts"
import * as Unwinding from "../unwind/host/capabilities.ts"
import type { Capabilities } from "../wire/handshake.ts"
import type { CallSettings } from "./callSettings.ts"
import { type BusyWorker, BusyWatch } from "./busyWatch.ts"
import { Dispatcher } from "./dispatcher.ts"
import { PoolCapabilities } from "./poolCapabilities.ts"
import type { RemoteTask } from "./remoteTask.ts"
import { WorkerHandle } from "./workerHandle.ts"
import type { Leases } from "../leases/keeper.ts"
import { PoolEvents } from "./poolEvents.ts"
import * as PoolOptions from "./poolOptions.ts"
import { Takeover } from "./takeover.ts"
import type { StartedWorker } from "./workerEnds.ts"

export interface OpenedPool<out L extends Leases = Leases> {
  readonly dispatcher: Dispatcher<RemoteTask>
  readonly capabilities: PoolCapabilities
  readonly hostLeases: L
  /** The settings of calls without options. */
  readonly settings: CallSettings
  /** The loggers, log levels and tracer of the pool, for calls by Promise, which have no fiber with its own. */
  readonly observers: Context.Context<never>
}

/**
 * Whether the process tries out first whether code can be ended in its workers, or before the first end of code. A pool
 * that tries later is open some 50 ms earlier.
 */
export type Probe = "first" | "later"

/** How a pool of plain functions is opened. */
export interface Opening<in L extends Leases, Started extends StartedWorker = StartedWorker> {
  readonly probe?: Probe | undefined
  /** Is called in place of the warning about a busy worker. */
  readonly onBusy?: ((worker: BusyWorker) => void) | undefined
  /** The workers that the pool takes over. */
  readonly started?: ReadonlyArray<Started> | undefined
  /** The pool has taken over a worker. Its running tasks have to be adopted now, before any event of the worker. */
  readonly adopt?: ((opened: OpenedPool<L>, handle: WorkerHandle, started: Started) => void) | undefined
}

/** Until it is known better. */
const assumed: Capabilities = { unwind: { _tag: "SectionsAndOtherCode" } }

const tried = Effect.map(Unwinding.capabilities, ({ unwind }) => unwind)

/** Only the tasks in `names` can use the rings. `leasesOf` makes the host leases of the options. */
export const openPool = <L extends Leases, Started extends StartedWorker = StartedWorker>(
  options: PoolOptions.Options,
  names: ReadonlyArray<string>,
  leasesOf: (options: PoolOptions.Options, context: Context.Context<never>) => L,
  { adopt, onBusy, probe = "first", started = [] }: Opening<L, Started> = {}
): Effect.Effect<OpenedPool<L>, WorkerError.WorkerError, Scope.Scope> =>
  Effect.gen(function* () {
    const parsed = yield* PoolOptions.parse(options)
    const ofProcess = probe === "first" ? yield* Unwinding.capabilities : assumed
    const context = yield* Effect.context<never>()
    const capabilities = new PoolCapabilities(ofProcess, probe === "first" ? undefined : tried, context)
    const events = new PoolEvents(parsed.name, context)
    const watch = yield* watchOf(parsed, onBusy)
    const takeover = new Takeover(started)
    const dispatcher = new Dispatcher<RemoteTask>(
      (listener) => {
        const make = (early?: Started) => new WorkerHandle(options.spawn, parsed, names, capabilities, listener, early)
        const worker = takeover.handle(make)
        watch?.add(worker)
        return worker
      },
      parsed,
      context,
      events
    )
    const hostLeases = leasesOf(options, context)
    const settings: CallSettings = { priority: 0, millis: parsed.runMillis }
    const opened = { dispatcher, capabilities, hostLeases, settings, observers: observersOf(context) }
    events.counts = () => ({ ...dispatcher.counts, blocked: watch?.blocked ?? 0 })
    yield* Effect.acquireRelease(
      Effect.sync(() => events.open()),
      () => Effect.sync(() => events.close())
    )
    yield* Effect.acquireRelease(
      Effect.onError(begin(takeover, opened, adopt), () => dispatcher.close),
      () => Effect.andThen(dispatcher.close, hostLeases.idle),
      { interruptible: true }
    )
    return opened
  })

/** Takes over the workers, and waits until one worker is ready. */
const begin = <L extends Leases, Started extends StartedWorker>(
  takeover: Takeover<Started>,
  opened: OpenedPool<L>,
  adopt: Opening<L, Started>["adopt"]
): Effect.Effect<void, WorkerError.WorkerError> =>
  Effect.suspend(() => {
    const { dispatcher } = opened
    takeover.run(
      () => dispatcher.startWorker(),
      (handle, started) => adopt?.(opened, handle, started)
    )
    return dispatcher.open
  })

const watchOf = (
  { busyMillis }: PoolOptions.Parsed,
  onBusy: ((worker: BusyWorker) => void) | undefined
): Effect.Effect<BusyWatch | undefined, never, Scope.Scope> => {
  if (busyMillis === Infinity) return Effect.succeed(undefined)
  return Effect.acquireRelease(
    Effect.map(Effect.context<never>(), (context) => new BusyWatch(busyMillis, context, onBusy)),
    (watch) => watch.close
  )
}

const observersOf = (context: Context.Context<never>): Context.Context<never> =>
  Context.pick(
    Logger.CurrentLoggers,
    Logger.LogToStderr,
    Console.Console,
    References.MinimumLogLevel,
    References.UnhandledLogLevel,
    Tracer.Tracer
  )(context)
