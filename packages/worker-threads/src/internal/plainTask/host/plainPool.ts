/** A pool of workers for plain functions, on the host. Calls are effects; a Promise is made of them where it is needed. */
import * as Deadline from "@quiesce/core/Deadline"
import type * as Escalation from "@quiesce/core/Escalation"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type * as Thread from "@quiesce/core/Thread"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as WorkerError from "../../../WorkerError.ts"
import type { Ticket } from "../../host/admissions.ts"
import { CallSpan } from "../../host/callSpan.ts"
import type { CallSettings } from "../../host/callSettings.ts"
import type { Dispatcher } from "../../host/dispatcher.ts"
import { type OpenedPool, type Opening, openPool } from "../../host/openPool.ts"
import { defaultEscalation } from "../../host/defaultEscalation.ts"
import type * as PoolOptions from "../../host/poolOptions.ts"
import type { PoolWorker } from "../../host/poolWorker.ts"
import { RemoteTask } from "../../host/remoteTask.ts"
import type { StartedWorker } from "../../host/workerEnds.ts"
import type { WorkerHandle } from "../../host/workerHandle.ts"
import type { Permissions } from "../../leases/permissions.ts"
import { type Call, nameOf, task } from "../contract.ts"
import { LateLeases } from "./lateLeases.ts"
import { codec, plainDialect } from "./plainDialect.ts"

/** The caller's options of one call. */
export interface CallOptions {
  readonly name: string | undefined
  readonly transfer: ReadonlyArray<unknown>
  readonly onReport: ((value: unknown) => void) | undefined
  readonly settings: CallSettings
  /** The leases that the call may ask for, unless those of the pool. */
  readonly leases?: Permissions | undefined
  /** The fiber that has made the call, for the call's span. */
  readonly caller?: Fiber.Fiber<unknown, unknown> | undefined
}

type Remote = ThreadAdapter.RemoteThread<unknown, unknown>

const nothing = Context.empty()

/** How many reports a worker may send ahead of the caller's listener. */
const ahead = 4

export class PlainPool {
  readonly dispatcher: Dispatcher<RemoteTask>
  /** The settings of calls without options. */
  readonly settings: CallSettings
  private readonly leases: LateLeases
  private readonly escalation: Escalation.Escalation

  constructor({ dispatcher, settings }: OpenedPool, leases: LateLeases, escalation: Escalation.Escalation) {
    this.dispatcher = dispatcher
    this.settings = settings
    this.leases = leases
    this.escalation = escalation
  }

  /** Fails with the thrown value of the function, with a `LoadProblem`, or with a `WorkerError`. */
  execute(call: Call, options: CallOptions, worker?: PoolWorker<RemoteTask>): Effect.Effect<unknown, unknown> {
    const submit = (ticket: Ticket | undefined): Effect.Effect<unknown, unknown> =>
      Effect.withFiber((fiber) =>
        ThreadAdapter.executeIn<unknown, unknown>(
          fiber,
          (thread) => this.submit(thread, fiber.getRef(Deadline.Current), call, options, ticket, worker),
          this.threadOptions(call, options)
        )
      )
    if (worker !== undefined || this.dispatcher.hasRoom) return submit(undefined)
    return this.dispatcher.admit(
      { name: options.name ?? nameOf(call.url), task, priority: options.settings.priority },
      submit
    )
  }

  /** Spawns a call as a thread into the current scope, for a caller that climbs the rungs one by one. */
  spawn(call: Call, options: CallOptions): Effect.Effect<Thread.Thread<unknown, unknown>, never, Scope.Scope> {
    return Effect.withFiber((fiber) =>
      ThreadAdapter.spawn<unknown, unknown, never, never>(
        (thread) => Effect.sync(() => this.submit(thread, fiber.getRef(Deadline.Current), call, options, undefined)),
        this.threadOptions(call, options)
      )
    )
  }

  /** Goes on with a call that a worker runs already, in a slot and under an id. */
  adopt(
    call: Call,
    options: CallOptions,
    handle: WorkerHandle,
    { id, slot }: { readonly id: number; readonly slot: number }
  ): Effect.Effect<unknown, unknown> {
    return ThreadAdapter.execute<unknown, unknown>(
      (thread) => {
        const task = this.taskOf(thread, Infinity, call, options)
        handle.adopt(task, id, slot)
        return task
      },
      this.threadOptions(call, options)
    )
  }

  private threadOptions({ url }: Call, { name = nameOf(url) }: CallOptions): Thread.SpawnOptions {
    return { escalation: this.escalation, name }
  }

  private submit(
    thread: Remote,
    deadline: number,
    call: Call,
    options: CallOptions,
    ticket: Ticket | undefined,
    worker?: PoolWorker<RemoteTask>
  ): RemoteTask {
    const submitted = this.taskOf(thread, deadline, call, options)
    if (options.onReport !== undefined) listen(submitted, options.onReport)
    if (worker === undefined) this.dispatcher.submit(submitted, ticket)
    else this.dispatcher.submitTo(worker, submitted)
    return submitted
  }

  private taskOf(thread: Remote, deadline: number, call: Call, options: CallOptions): RemoteTask {
    return new RemoteTask({
      thread,
      codec,
      payload: call,
      transfers: options.transfer,
      context: nothing,
      deadline,
      settings: options.settings,
      dialect: plainDialect,
      hostLeases: options.leases === undefined ? this.leases : this.leases.within(options.leases),
      parentTask: undefined,
      events: this.dispatcher.events,
      span: options.caller === undefined ? undefined : CallSpan.of(options.caller, options.name ?? nameOf(call.url))
    })
  }
}

/** Gives the reports to a listener. An error of the listener is the listener's own, so it ends nothing here. */
const listen = (task: RemoteTask, onReport: (value: unknown) => void): void => {
  task.onChunk = (values) => {
    task.pull(values.length)
    for (const value of values) {
      try {
        onReport(value)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
  task.pull(ahead)
}

/** A worker that ran calls before its pool was opened. `adopt` goes on with them. */
export interface StartedPlainWorker extends StartedWorker {
  readonly adopt: (pool: PlainPool, handle: WorkerHandle) => void
}

/** Opens a pool in the current scope. `permissions`: the leases that its calls may ask for. */
export const open = (
  options: PoolOptions.Options,
  permissions: Permissions = {},
  { onBusy, started }: Pick<Opening<LateLeases, StartedPlainWorker>, "onBusy" | "started"> = {}
): Effect.Effect<PlainPool, WorkerError.WorkerError, Scope.Scope> =>
  Effect.suspend(() => {
    const leases = new LateLeases(permissions)
    let made: PlainPool | undefined
    const poolOf = (opened: OpenedPool<LateLeases>): PlainPool =>
      (made ??= new PlainPool(opened, leases, options.escalation ?? defaultEscalation))
    const opening = openPool<LateLeases, StartedPlainWorker>(options, [task], () => leases, {
      probe: "later",
      onBusy,
      started,
      adopt: (opened, handle, worker) => worker.adopt(poolOf(opened), handle)
    })
    return Effect.map(opening, poolOf)
  })
