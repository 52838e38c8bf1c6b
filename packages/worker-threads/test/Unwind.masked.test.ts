/** Sections in a finalizer, where the fiber can't be interrupted, and sections of its child. */
import { Worker } from "node:worker_threads"
import { Thread } from "@quiesce/core"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect, Exit, type Scope } from "effect"
import { describe, expect, it } from "vitest"
import { Tasks, Word } from "./fixtures/masked-sections.ts"
import { whenSet } from "./support.ts"

const url = new URL("./fixtures/masked-sections.worker.ts", import.meta.url)
const makePool = WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1 })
const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))
const makeCells = () => new Int32Array(new SharedArrayBuffer(16))

describe("an interrupt", () => {
  it("does not end a section in a finalizer", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("Tidy", { cells })
        yield* whenSet(cells, Word.waiting)
        yield* Thread.interruptFork(thread, { reason: { _tag: "Interrupted", message: "first" } })
        yield* whenSet(cells, Word.inSection)
        yield* Thread.interruptFork(thread, { reason: { _tag: "Interrupted", message: "second" } })
        Atomics.store(cells, Word.mayEnd, 1)
        Atomics.notify(cells, Word.mayEnd)
        yield* Thread.await(thread)
        expect(cells[Word.cleanedUp]).toBe(1)
      })
    ))

  it("ends the section of a child that the task's finalizer joins", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const cells = makeCells()
        const thread = yield* pool.spawn("Parent", { cells })
        yield* whenSet(cells, Word.inSection)
        yield* Thread.interrupt(thread)
        expect(Exit.hasInterrupts(yield* Thread.await(thread))).toBe(true)
      })
    ))
})
