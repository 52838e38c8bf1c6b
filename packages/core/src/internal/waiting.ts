/** Waits without a fiber of their own, and timers. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"

/** Calls `done` when something has happened, at once if it has happened already. The result withdraws `done`. */
export type Listen = (done: () => void) => () => void

/**
 * Waits until a listener is called, at most for `millis` by the clock of the fiber. The result says whether the listener
 * was called. `Effect.timeoutOption` does the same with two more fibers.
 *
 * *Cancellation*: the listener is withdrawn.
 */
export const within = (listen: Listen, millis: number): Effect.Effect<boolean> =>
  Effect.withFiber(({ context }) =>
    Effect.callback((resume) => {
      let isDone = false
      let disarm: (() => void) | undefined
      const withdraw = listen(() => {
        isDone = true
        disarm?.()
        resume(Effect.succeed(true))
      })
      if (isDone) return
      if (millis !== Infinity) {
        disarm = timer(context, millis, () => {
          withdraw()
          resume(Effect.succeed(false))
        })
      }
      return Effect.sync(() => {
        withdraw()
        disarm?.()
      })
    })
  )

/** Listens for the first of several events. */
export const eitherOf =
  (...listens: ReadonlyArray<Listen>): Listen =>
  (done) => {
    const withdrawals = listens.map((listen) => listen(done))
    return () => withdrawals.forEach((withdraw) => withdraw())
  }

/** Listens for the end of a fiber. */
export const endOf =
  (fiber: Fiber.Fiber<unknown, unknown>): Listen =>
  (done) =>
    fiber.addObserver(done)

/** Calls `f` after a time, by the clock of the context. The result stops the timer. */
export const timer = (context: Context.Context<never>, millis: number, f: () => void): (() => void) => {
  // The timer starts in this step: synchronous code could delay a fiber that yields before its sleep.
  const fiber = Effect.runForkWith(Context.add(context, Scheduler.PreventSchedulerYield, true))(
    Effect.flatMap(Context.get(context, Clock.Clock).sleep(Duration.millis(millis)), () => Effect.sync(f))
  )
  return () => fiber.interruptUnsafe()
}
