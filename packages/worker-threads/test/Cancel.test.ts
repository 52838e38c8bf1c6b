/** Cancels of many tasks in one turn of the host, and messages about cancels that a correct host never sends. */
import { CancelReason, Thread } from "@quiesce/core"
import { Effect, Exit, type Scope } from "effect"
import { expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import * as Relay from "./fixtures/relayed-worker.ts"
import { makePool, whenSet } from "./support.ts"

const reason: CancelReason.CancelReason = {
  ...CancelReason.interrupted({ message: "all at once" }),
  by: "test",
  at: 1_700_000_000_000
}

const run = (test: Effect.Effect<void, unknown, Scope.Scope>) => (): Promise<void> =>
  Effect.runPromise(Effect.scoped(test))

it(
  "interrupts of one turn end all tasks whose starts the worker has not read yet",
  run(
    Effect.gen(function* () {
      // A worker takes 256 starts from the ring before other work gets a turn.
      const count = 1_000
      const pool = yield* makePool({ concurrency: count + 1 })
      const cells = makeCells()
      const blocker = yield* pool.spawn("StopThenWait", { cells })
      yield* whenSet(cells, Cell.begun)
      const threads = yield* Effect.forEach(Array.from({ length: count }).keys(), () =>
        pool.spawn("Wait", { lease: "page" })
      )
      for (const thread of threads.toReversed()) yield* Thread.interruptFork(thread, { reason })
      Atomics.store(cells, Cell.cleanedUp, 1)
      Atomics.notify(cells, Cell.cleanedUp)
      for (const thread of threads) {
        const exit = yield* Thread.await(thread)
        expect(Exit.isFailure(exit) && CancelReason.allFromCause(exit.cause)).toMatchObject([reason])
      }
      expect(yield* pool.status).toMatchObject({ workers: 1, running: 1 })
      yield* Thread.interrupt(blocker)
    })
  )
)

const tasksUrl = new URL("./fixtures/tasks.worker.ts", import.meta.url)

/** Two waiting tasks of one worker with their ids, and a task that has ended. Named tasks start by message. */
const relayed = Effect.gen(function* () {
  const relay = Relay.make(tasksUrl)
  const pool = yield* makePool({ concurrency: 4, spawn: relay.spawn })
  const threads: Array<Thread.Thread<unknown, unknown>> = []
  for (const name of ["first", "second"]) {
    const cells = makeCells()
    threads.push(yield* pool.spawn("Mark", { cells }, { name }))
    yield* whenSet(cells, Cell.begun)
  }
  yield* Thread.join(yield* pool.spawn("Add", { a: 1, b: 2 }, { name: "third" }))
  const ids = relay.fromHost.flatMap((message) => (message._tag === "Start" ? [message.id] : []))
  return { ids, pool, relay, threads }
})

it(
  "an interrupt for an unknown or ended task of the worker changes nothing",
  run(
    Effect.gen(function* () {
      const { ids, pool, relay, threads } = yield* relayed
      const ended = ids[2]!
      const foreign = [ended, ended, 0, 2 ** 30, 2 ** 53 - 1, ...ids.map((id) => id + 4_000)]
      relay.toWorker({ _tag: "Interrupt", ids: foreign, reason })
      // These messages are outside the protocol, and also name the live tasks.
      for (const wrong of [-1, 0.5, NaN, "1", null, [ids[0]]]) {
        relay.toWorker({ _tag: "Interrupt", ids: [...ids, wrong], reason })
      }
      relay.toWorker({ _tag: "Interrupt", id: ids[0], reason }, { _tag: "Interrupt", ids, reason, more: 1 })
      relay.toWorker({ _tag: "Interrupt", ids: [], reason })
      expect(yield* pool.execute("Add", { a: 3, b: 4 })).toBe(7)
      for (const thread of threads) expect(yield* Thread.isAlive(thread)).toBe(true)
      yield* Thread.interrupt(threads[0]!, { reason })
      expect(yield* pool.status).toMatchObject({ workers: 1, running: 1 })
    })
  )
)

it(
  "a worker that reports an interruption without a request of the host is terminated",
  run(
    Effect.gen(function* () {
      const { ids, relay, threads } = yield* relayed
      relay.toWorker({ _tag: "Interrupt", ids: [ids[0]!, ids[0]!], reason })
      for (const thread of threads) {
        const exit = yield* Thread.await(thread)
        expect(String(Exit.isFailure(exit) && exit.cause)).toContain("for which the host had not asked")
      }
    })
  )
)

it(
  "a cancelled section ends when its worker receives the interrupt, without a later message of the host",
  run(
    Effect.gen(function* () {
      const relay = Relay.make(tasksUrl, "Unwound")
      const pool = yield* makePool({ spawn: relay.spawn })
      for (let round = 0; round < 3; round++) {
        const cells = makeCells()
        const thread = yield* pool.spawn("Hog", { cells })
        yield* whenSet(cells, Cell.begun)
        yield* Thread.interrupt(thread, { reason })
        expect(Atomics.load(cells, Cell.cleanedUp)).toBe(1)
        expect(yield* pool.execute("Add", { a: round, b: 1 })).toBe(round + 1)
      }
      expect(relay.fromHost.some(({ _tag }) => _tag === "Unwound")).toBe(true)
    })
  )
)
