/** An unwind whose caller has a scheduler of its own. The scheduler stops in the middle of the unwind. */
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Thread } from "@quiesce/core"
import { Effect, Exit, Option, Scheduler } from "effect"
import { expect, it, vi } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { stopping } from "./fixtures/stopping-scheduler.ts"
import { makePool, whenSet } from "./support.ts"

it.for(Array.from({ length: 6 }, (_, tasks) => tasks))(
  "the next unwind ends the code if the scheduler of the first caller stops after %i tasks",
  (tasks) =>
    Effect.gen(function* () {
      const pool = yield* makePool({})
      const cells = makeCells()
      const thread = yield* pool.spawn("Spin", { cells, lease: "loop" })
      yield* whenSet(cells, Cell.begun)
      const unwind = Option.getOrThrow(ThreadAdapter.controlsOf(thread).unwind)
      yield* Thread.interruptFork(thread)
      Effect.runFork(Effect.provideService(unwind, Scheduler.Scheduler, stopping(tasks)))
      // Not awaited, because the search for code continues for a while after the end of the task. Repeated, because a
      // search on a busy machine may give up.
      yield* Effect.forkScoped(Effect.forever(unwind))
      expect(Exit.hasInterrupts(yield* Thread.await(thread))).toBe(true)
    }).pipe(Effect.scoped, Effect.runPromise)
)

it.for([0, 1, 2, 3, 4])(
  "the next pool completes the probe of the process if the scheduler of the first stops after %i tasks",
  async (tasks) => {
    vi.resetModules()
    const { capabilities } = await import("../src/internal/unwind/host/capabilities.ts")
    Effect.runFork(Effect.provideService(capabilities, Scheduler.Scheduler, stopping(tasks)))
    expect(await Effect.runPromise(capabilities)).toEqual({ unwind: { _tag: "SectionsAndOtherCode" } })
  }
)
