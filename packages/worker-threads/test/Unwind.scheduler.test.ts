/** An unwind whose caller has a scheduler of its own, which stops in the middle. */
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Thread } from "@quiesce/core"
import { Effect, Exit, Option, Scheduler } from "effect"
import { expect, it } from "vitest"
import { makeCells } from "./fixtures/contract.ts"
import { makePool, whenSet } from "./support.ts"

/** Runs the first `tasks` of its tasks, and none after them. */
const stopping = (tasks: number): Scheduler.Scheduler => {
  const inner = new Scheduler.MixedScheduler()
  let left = tasks
  return {
    executionMode: "async",
    shouldYield: (fiber) => inner.shouldYield(fiber),
    makeDispatcher: () => {
      const dispatcher = inner.makeDispatcher()
      return {
        scheduleTask: (task, priority) => {
          if (left-- > 0) dispatcher.scheduleTask(task, priority)
        },
        flush: () => dispatcher.flush()
      }
    }
  }
}

it.for(Array.from({ length: 6 }, (_, tasks) => tasks))(
  "leaves the worker to the next unwind if the scheduler of the caller stops after %i tasks",
  (tasks) =>
    Effect.gen(function* () {
      const pool = yield* makePool({})
      const cells = makeCells()
      const thread = yield* pool.spawn("Spin", { cells, lease: "loop" })
      yield* whenSet(cells, 0)
      const unwind = Option.getOrThrow(ThreadAdapter.controlsOf(thread).unwind)
      yield* Thread.interruptFork(thread)
      Effect.runFork(Effect.provideService(unwind, Scheduler.Scheduler, stopping(tasks)))
      // Not awaited, because the search for code goes on for a while after the end of the task.
      yield* Effect.forkScoped(unwind)
      expect(Exit.hasInterrupts(yield* Thread.await(thread))).toBe(true)
    }).pipe(Effect.scoped, Effect.runPromise)
)
