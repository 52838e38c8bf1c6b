/** Code that was woken together with other fibers, and then blocks the worker. The code is ended by force. */
import { Worker } from "node:worker_threads"
import { Thread } from "@quiesce/core"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { Tasks, Word } from "./fixtures/woken.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/woken.worker.ts", import.meta.url)
const makePool = WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1, concurrency: 2 })
const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))
const makeCells = () => new Int32Array(new SharedArrayBuffer(16))
const escalation = { interrupt: "20 millis", unwind: "1 minute" } as const

describe("an end by force of code that was woken with others", () => {
  it("loses no wake-up of another task that was woken by the same step", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const opener = yield* pool.spawn("Open", { cells })
        const waiting = yield* pool.spawn("Wait", { cells })
        yield* whenSet(cells, Word.waiting)
        Atomics.store(cells, Word.goOn, 1)
        yield* whenSet(cells, Word.blocking)
        expect((yield* Thread.shutdown(opener, { escalation })).rung).toBe("unwind")
        yield* Thread.join(waiting)
        expect(Atomics.load(cells, Word.received)).toBe(1)
      })
    ))

  it("also ends a fiber that was started in the same step, and ends it before the fiber that has started it", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("Start", { cells })
        yield* whenSet(cells, Word.blocking)
        expect((yield* Thread.shutdown(thread, { escalation })).rung).toBe("unwind")
        expect([Atomics.load(cells, Word.received), Atomics.load(cells, Word.endedLast)]).toEqual([1, 1])
      })
    ))

  it("ends the fiber that was started last, of several concurrent ones, before the fiber that has started it", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("StartNext", { cells })
        yield* whenSet(cells, Word.blocking)
        expect((yield* Thread.shutdown(thread, { escalation })).rung).toBe("unwind")
        expect([Atomics.load(cells, Word.received), Atomics.load(cells, Word.endedLast)]).toEqual([1, 1])
      })
    ))

  it("ends a fiber that was started within a step before the fiber of that step, even if other code interrupts that one first", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("Nest", { cells })
        yield* whenSet(cells, Word.blocking)
        expect((yield* Thread.shutdown(thread, { escalation })).rung).toBe("unwind")
        expect([Atomics.load(cells, Word.received), Atomics.load(cells, Word.endedLast)]).toEqual([1, 1])
      })
    ))

  it("notifies each fiber that waits for the end of a thread", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("End", { cells })
        yield* whenSet(cells, Word.waiting)
        Atomics.store(cells, Word.goOn, 1)
        yield* whenSet(cells, Word.blocking)
        const report = yield* Thread.shutdown(thread, { escalation })
        expect(report.rung).toBe("unwind")
        expect(Atomics.load(cells, Word.received)).toBe(1)
      })
    ))
})
