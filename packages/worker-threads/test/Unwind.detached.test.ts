/** Fibers that outlive the task that has started them, in a worker whose next task uses the same slot. */
import { Worker } from "node:worker_threads"
import { Thread } from "@quiesce/core"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect, Exit, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { Tasks, Word } from "./fixtures/detached.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/detached.worker.ts", import.meta.url)
const makePool = WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1 })
const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

/** A waiting task, beside a fiber of an earlier task that blocks the worker. */
const besideHog = (isSection: boolean) =>
  Effect.gen(function* () {
    const pool = yield* makePool
    const cells = new Int32Array(new SharedArrayBuffer(20))
    yield* pool.execute("Leave", { cells, isSection })
    const thread = yield* pool.spawn("Wait", { cells })
    yield* whenSet(cells, Word.waiting)
    Atomics.store(cells, Word.goOn, 1)
    yield* whenSet(cells, Word.blocking)
    return { cells, thread }
  })

const cameToItsEnd = (cells: Int32Array<SharedArrayBuffer>) =>
  Effect.gen(function* () {
    Atomics.store(cells, Word.gate, 1)
    yield* whenSet(cells, Word.ending)
    return Atomics.load(cells, Word.ending) === 1
  })

describe("a detached fiber", () => {
  it("in a section is not ended by an interrupt of another task", () =>
    run(
      Effect.gen(function* () {
        const { cells, thread } = yield* besideHog(true)
        yield* Thread.interruptFork(thread)
        expect(yield* cameToItsEnd(cells)).toBe(true)
        expect(Exit.hasInterrupts(yield* Thread.await(thread))).toBe(true)
      })
    ))

  it("is not ended by an unwind of another task", () =>
    run(
      Effect.gen(function* () {
        const { cells, thread } = yield* besideHog(false)
        const report = yield* Thread.shutdown(thread, { escalation: { interrupt: "20 millis", unwind: "100 millis" } })
        expect(report.attempts.at(-1)).toMatchObject({ _tag: "Outwaited", rung: "unwind" })
        expect(yield* cameToItsEnd(cells)).toBe(true)
        expect(Exit.hasInterrupts(yield* Thread.await(thread))).toBe(true)
      })
    ))

  it("is ended by an unwind of its task, and runs its finalizers, although the task has already ended", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = new Int32Array(new SharedArrayBuffer(20))
        const thread = yield* pool.spawn("Stay", { cells })
        yield* whenSet(cells, Word.blocking)
        expect(
          (yield* Thread.shutdown(thread, { escalation: { interrupt: "20 millis", unwind: "1 minute" } })).rung
        ).toBe("unwind")
        yield* whenSet(cells, Word.ending)
        expect(Atomics.load(cells, Word.ending)).toBe(2)
      })
    ))
})
