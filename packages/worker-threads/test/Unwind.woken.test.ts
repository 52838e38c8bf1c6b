/** Code that hogs a worker from the moment in which others have been woken with it, and is ended there. */
import { Worker } from "node:worker_threads"
import { Thread } from "@quiesce/core"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { Tasks } from "./fixtures/woken.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/woken.worker.ts", import.meta.url)
const makePool = WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1, concurrency: 2 })
const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))
const makeCells = () => new Int32Array(new SharedArrayBuffer(16))
const escalation = { interrupt: "20 millis", unwind: "1 minute" } as const

describe("an end by force of code that was woken with others", () => {
  it("keeps nothing from another task that was woken by the same step", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const opener = yield* pool.spawn("Open", { cells })
        const waiting = yield* pool.spawn("Wait", { cells })
        yield* whenSet(cells, 1)
        Atomics.store(cells, 2, 1)
        yield* whenSet(cells, 0)
        expect((yield* Thread.shutdown(opener, { escalation })).rung).toBe("unwind")
        yield* Thread.join(waiting)
        expect(Atomics.load(cells, 3)).toBe(1)
      })
    ))

  it("leaves nothing running that was started in the same step, and ends it before what has started it", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("Start", { cells })
        yield* whenSet(cells, 0)
        expect((yield* Thread.shutdown(thread, { escalation })).rung).toBe("unwind")
        expect([Atomics.load(cells, 3), Atomics.load(cells, 1)]).toEqual([1, 1])
      })
    ))

  it("ends what was started last, of several side by side, before what has started it", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("StartNext", { cells })
        yield* whenSet(cells, 0)
        expect((yield* Thread.shutdown(thread, { escalation })).rung).toBe("unwind")
        expect([Atomics.load(cells, 3), Atomics.load(cells, 1)]).toEqual([1, 1])
      })
    ))

  it("ends what was started within a step before the fiber of that step, whoever interrupts that meanwhile", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("Nest", { cells })
        yield* whenSet(cells, 0)
        expect((yield* Thread.shutdown(thread, { escalation })).rung).toBe("unwind")
        expect([Atomics.load(cells, 3), Atomics.load(cells, 1)]).toEqual([1, 1])
      })
    ))

  it("keeps the end of a thread from nobody who waits for it", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("End", { cells })
        yield* whenSet(cells, 1)
        Atomics.store(cells, 2, 1)
        yield* whenSet(cells, 0)
        const report = yield* Thread.shutdown(thread, { escalation })
        expect(report.rung).toBe("unwind")
        expect(Atomics.load(cells, 3)).toBe(1)
      })
    ))
})
