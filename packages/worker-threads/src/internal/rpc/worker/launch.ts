/**
 * Hands a request to Effect's RpcServer, which forks the handler's fiber on the spot, so that this fiber begins in a
 * turn of its own: alone on the stack, where its code can be ended by force and nothing else with it.
 *
 * Invariants:
 * 1. A fiber that is started while its request is handed over does nothing but queue itself.
 * 2. The last one of those is the handler's: RpcServer forks it as the last thing that it does.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as DeferredResume from "../../scheduler/deferredResume.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** The request that a fiber is part of. */
const Current: Context.Reference<Launch | undefined> = Context.Reference<Launch | undefined>(
  "@quiesce/worker-threads/Launch",
  { defaultValue: () => undefined }
)

/** One request on its way to its handler. */
export class Launch {
  private readonly started = new Set<AnyFiber>()
  /** The fiber that hands over, while it does. */
  private by: AnyFiber | undefined = undefined
  /** The latest fiber that was started: the handler's, when the request has been handed over to one. */
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

  /** Whether a fiber that wants to begin is to wait for its turn. */
  holds(fiber: AnyFiber): boolean {
    if (this.by === undefined || fiber === this.by || this.started.has(fiber)) return false
    this.started.add(fiber)
    this.latest = fiber
    return true
  }
}

/** A scheduler of tasks that hands over requests. */
class LaunchScheduler implements Scheduler.Scheduler {
  readonly executionMode: "async" = "async"
  readonly "~@quiesce/worker-threads/Turns": DeferredResume.OnTheSpot | undefined
  private readonly scheduler: Scheduler.Scheduler

  constructor(scheduler: Scheduler.Scheduler) {
    this.scheduler = scheduler
    this[DeferredResume.key] = DeferredResume.onTheSpot(scheduler)
  }

  shouldYield(fiber: AnyFiber): boolean {
    // Looked up when a fiber begins or goes on, not at each of its steps.
    if (fiber.currentOpCount === 1 && fiber.getRef(Current)?.holds(fiber) === true) return true
    return this.scheduler.shouldYield(fiber)
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return this.scheduler.makeDispatcher()
  }
}

/** The context of tasks that hand over requests. */
export const contextOf = (context: Context.Context<never>, scheduler: Scheduler.Scheduler): Context.Context<never> =>
  Context.add(context, Scheduler.Scheduler, new LaunchScheduler(scheduler))
