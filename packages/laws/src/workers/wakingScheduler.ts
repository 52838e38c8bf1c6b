/** A scheduler of steps that notifies its run of each new task. */
import type * as StepScheduler from "@quiesce/testing/StepScheduler"
import type * as Scheduler from "effect/Scheduler"

export const waking = (steps: ReturnType<typeof StepScheduler.make>, wake: () => void): Scheduler.Scheduler => ({
  executionMode: "async",
  shouldYield: (fiber) => steps.shouldYield(fiber),
  makeDispatcher: () => {
    const inner = steps.makeDispatcher()
    return {
      scheduleTask: (task, priority) => {
        inner.scheduleTask(task, priority)
        wake()
      },
      flush: () => inner.flush()
    }
  }
})
