/**
 * Passes a request to Effect's RpcServer. The server forks the handler's fiber at once. That fiber is made to begin in
 * a turn of its own, alone on the stack. Its code can then be ended by force without ending the server's.
 *
 * Invariants:
 * 1. A fiber that is started while its request is passed on only queues itself.
 * 2. The last one of these fibers is the handler's, because RpcServer forks the handler last.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as DeferredResume from "../../scheduler/deferredResume.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** The request that a fiber belongs to. */
const Current: Context.Reference<Launch | undefined> = Context.Reference<Launch | undefined>(
  "@quiesce/worker-threads/Launch",
  { defaultValue: () => undefined }
)

/** One request on its way to its handler. */
export class Launch {
  private readonly started = new Set<AnyFiber>()
  /** The fiber that passes the request on; undefined afterwards. */
  private by: AnyFiber | undefined = undefined
  /** The fiber that was started last: the handler's fiber, once the request has been passed on. */
  latest: AnyFiber | undefined = undefined

  run(handOver: Effect.Effect<void>): Effect.Effect<void> {
    const launching = Effect.withFiber((by) => {
      this.by = by
      return handOver
    })
    return Effect.onExitPrimitive(Effect.provideService(launching, Current, this), () => {
      this.by = undefined
      this.started.clear()
      return undefined
    })
  }

  /** Whether a fiber that begins has to wait for a turn of its own. */
  holds(fiber: AnyFiber): boolean {
    if (this.by === undefined || fiber === this.by || this.started.has(fiber)) return false
    this.started.add(fiber)
    this.latest = fiber
    return true
  }
}

/** A scheduler for tasks that pass requests on. */
class LaunchScheduler implements Scheduler.Scheduler {
  readonly executionMode: "async" = "async"
  readonly "~@quiesce/worker-threads/DeferredResume": DeferredResume.OnTheSpot | undefined
  private readonly scheduler: Scheduler.Scheduler

  constructor(scheduler: Scheduler.Scheduler) {
    this.scheduler = scheduler
    this[DeferredResume.key] = DeferredResume.onTheSpot(scheduler)
  }

  shouldYield(fiber: AnyFiber): boolean {
    // Checked when a fiber begins or resumes, not at each of its steps.
    if (fiber.currentOpCount === 1 && fiber.getRef(Current)?.holds(fiber) === true) return true
    return this.scheduler.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.scheduler.makeDispatcher()
  }
}

/** The context of tasks that pass requests on. */
export const contextOf = (context: Context.Context<never>, scheduler: Scheduler.Scheduler): Context.Context<never> =>
  Context.add(context, Scheduler.Scheduler, new LaunchScheduler(scheduler))
