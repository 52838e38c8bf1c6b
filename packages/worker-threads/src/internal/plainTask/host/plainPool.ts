/** A pool of workers for plain functions, on the host. Calls are effects; a Promise is made of them where it is needed. */
import * as Deadline from "@quiesce/core/Deadline"
import type * as Escalation from "@quiesce/core/Escalation"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type * as Thread from "@quiesce/core/Thread"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as WorkerError from "../../../WorkerError.ts"
import type { Dispatcher, Status } from "../../host/dispatcher.ts"
import { openPool } from "../../host/openPool.ts"
import * as PoolOptions from "../../host/poolOptions.ts"
import { RemoteTask } from "../../host/remoteTask.ts"
import type { Permissions } from "../../leases/permissions.ts"
import { type Call, task } from "../contract.ts"
import { LateLeases } from "./lateLeases.ts"
import { codec, plainDialect } from "./plainDialect.ts"

/** The caller's options of one call. */
export interface CallOptions {
  readonly name: string | undefined
  readonly transfer: ReadonlyArray<unknown>
  readonly onReport: ((value: unknown) => void) | undefined
  /** Called when a worker takes the call. */
  readonly onStart: (() => void) | undefined
  /** The leases that the call may ask for, unless those of the pool. */
  readonly leases?: Permissions | undefined
}

type Cell = ThreadAdapter.RemoteThread<unknown, unknown>

const nothing = Context.empty()

/** How many reports a worker may send ahead of the caller's listener. */
const ahead = 4

export class PlainPool {
  private readonly dispatcher: Dispatcher<RemoteTask>
  private readonly leases: LateLeases
  private readonly escalation: Escalation.Escalation

  constructor(dispatcher: Dispatcher<RemoteTask>, leases: LateLeases, escalation: Escalation.Escalation) {
    this.dispatcher = dispatcher
    this.leases = leases
    this.escalation = escalation
  }

  get status(): Status {
    return this.dispatcher.status
  }

  /** How many calls wait for a worker, or for room in the queue. */
  get unstarted(): number {
    return this.dispatcher.status.queued + this.dispatcher.admitting
  }

  /** Fails with the thrown value of the function, with a `LoadProblem`, or with a `WorkerError`. */
  execute(call: Call, options: CallOptions): Effect.Effect<unknown, unknown> {
    const submit = Effect.withFiber((fiber) =>
      ThreadAdapter.execute<unknown, unknown>(
        (cell) => this.submit(cell, fiber.getRef(Deadline.Current), call, options),
        this.threadOptions(options)
      )
    )
    return this.dispatcher.hasRoom ? submit : Effect.andThen(this.dispatcher.admit(), submit)
  }

  /** Spawns a call as a thread into the current scope, for a caller that climbs the rungs one by one. */
  spawn(call: Call, options: CallOptions): Effect.Effect<Thread.Thread<unknown, unknown>, never, Scope.Scope> {
    return Effect.withFiber((fiber) =>
      ThreadAdapter.spawn<unknown, unknown, never, never>(
        (cell) => Effect.sync(() => this.submit(cell, fiber.getRef(Deadline.Current), call, options)),
        this.threadOptions(options)
      )
    )
  }

  private threadOptions({ name = task }: CallOptions): Thread.SpawnOptions {
    return { escalation: this.escalation, name }
  }

  private submit(cell: Cell, deadline: number, call: Call, options: CallOptions): RemoteTask {
    const submitted = new RemoteTask({
      cell,
      codec,
      payload: call,
      transfers: options.transfer,
      context: nothing,
      deadline,
      dialect: plainDialect,
      hostLeases: options.leases === undefined ? this.leases : this.leases.within(options.leases),
      parentTask: undefined,
      events: this.dispatcher.events
    })
    if (options.onReport !== undefined) listen(submitted, options.onReport)
    submitted.onStart = options.onStart
    this.dispatcher.submit(submitted)
    return submitted
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

/** Opens a pool in the current scope. `permissions`: the leases that its calls may ask for. */
export const open = (
  options: PoolOptions.Options,
  permissions: Permissions = {}
): Effect.Effect<PlainPool, WorkerError.WorkerError, Scope.Scope> =>
  Effect.suspend(() => {
    const leases = new LateLeases(permissions)
    return Effect.map(
      openPool(options, [task], () => leases, "later"),
      ({ dispatcher }) => new PlainPool(dispatcher, leases, options.escalation ?? PoolOptions.defaultEscalation)
    )
  })
