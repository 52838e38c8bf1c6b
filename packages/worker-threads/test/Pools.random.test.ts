/**
 * Runs random programs on real pools of both kinds. In each round, all workers first run calls that wait for a gate.
 * More calls are made, some of them are cancelled, and a broadcast is made. Then the gate opens. A failure prints its
 * seed. Set `SEED` to repeat the run.
 */
import { Task, WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { Effect, Exit, Scope } from "effect"
import { Worker } from "node:worker_threads"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Random } from "./fixtures/random-contract.ts"
import { runsOf, type Work, word } from "./fixtures/random-work.ts"
import { whenSet } from "./support.ts"

/** Both kinds of pool, as functions that return Promises. */
interface Pool {
  readonly run: (
    work: Work,
    options: { readonly signal: AbortSignal; readonly name: string; readonly priority: number }
  ) => Promise<number>
  /** How the call of a broadcast ended on each worker. */
  readonly broadcast: (work: Work) => Promise<ReadonlyArray<string>>
  readonly drain: (options: Task.DrainOptions) => Promise<Task.DrainReport>
  readonly resize: (size: { readonly min: number; readonly max: number }) => Promise<void>
  readonly waiting: () => Promise<ReadonlyArray<string>>
  readonly close: () => Promise<void>
}

const spawn: WorkerPool.Options["spawn"] = (options) =>
  new Worker(new URL("./fixtures/random.worker.ts", import.meta.url), options)

const textOf = (value: number, n: number): string => (value === n ? "value" : `the value ${value}`)

const kinds: Readonly<Record<string, (size: number, recycle?: Task.RecycleOptions) => Promise<Pool>>> = {
  "a pool of plain functions": async (size, recycle) => {
    const url = new URL("./fixtures/random-work.ts", import.meta.url)
    const pool = Task.createTaskPool<typeof import("./fixtures/random-work.ts")>(url, { size, recycle })
    return {
      run: pool.run,
      broadcast: async (work) =>
        (await pool.broadcast(work)).map((result) =>
          result.status === "fulfilled" ? textOf(result.value, work.n) : String(result.reason)
        ),
      drain: pool.drain,
      resize: pool.resize,
      waiting: async () => pool.queued.map(({ name }) => name),
      close: async () => pool[Symbol.asyncDispose]()
    }
  },
  "a pool of a contract": async (size, recycle) => {
    const scope = Scope.makeUnsafe()
    const pool = await Effect.runPromise(Scope.provide(WorkerPool.make(Random, { spawn, size, recycle }), scope))
    return {
      run: (work, options) => pool.run("Work", work, options),
      broadcast: async (work) =>
        (await Effect.runPromise(pool.broadcast("Work", work))).map((exit) =>
          Exit.isSuccess(exit) ? textOf(exit.value, work.n) : String(exit)
        ),
      drain: (options) => Effect.runPromise(pool.drain(options)),
      resize: (size) => Effect.runPromise(pool.resize(size)),
      waiting: async () => (await Effect.runPromise(pool.queued)).map(({ name }) => name),
      close: () => Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
}

interface Call {
  readonly how: Exclude<Work["how"], "gate">
  readonly priority: number
  readonly isCancelled: boolean
}

interface Round {
  readonly workers: number
  readonly calls: ReadonlyArray<Call>
}

const call: fc.Arbitrary<Call> = fc.record({
  how: fc.constantFrom("quick", "quick", "quick", "quick", "fail"),
  priority: fc.integer({ min: -1, max: 1 }),
  isCancelled: fc.boolean()
})

/** A crash and a loop take long, so there is at most one of each in a round. */
const rare = fc.constantFrom("quick", "exit", "spin")

const round: fc.Arbitrary<Round> = fc
  .record({ workers: fc.integer({ min: 1, max: 2 }), calls: fc.array(call, { minLength: 6, maxLength: 12 }), rare })
  .map(({ calls: [first, ...others], rare, workers }) => ({ workers, calls: [{ ...first!, how: rare }, ...others] }))

const program = fc.record({
  rounds: fc.array(round, { minLength: 3, maxLength: 3 }),
  drain: fc.record({ queued: fc.constantFrom("finish", "drop"), within: fc.constantFrom(undefined, "20 seconds") })
})

/** A call that was made. */
interface Made extends Call {
  readonly n: number
  readonly controller: AbortController
  readonly end: Promise<string>
}

const cellsOf = (calls: number): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(8 * (calls + 4)))

const make = (pool: Pool, cells: Work["cells"], given: Call | { readonly how: "gate" }, n: number): Made => {
  const controller = new AbortController()
  const settings = { priority: 9, isCancelled: false, ...given }
  const { how } = given
  const options = { signal: controller.signal, name: String(n), priority: settings.priority }
  const end = pool.run({ n, how, cells }, options).then(
    (value) => textOf(value, n),
    (error: unknown) => {
      if (error === controller.signal.reason) return "cancelled"
      if (WorkerError.isWorkerError(error)) return error.reason._tag
      return error instanceof Error && error.message === `${n} fails` ? "failed" : `the error ${String(error)}`
    }
  )
  return { ...settings, how: how as Call["how"], n, controller, end }
}

const ends: Readonly<Record<Call["how"], string>> = {
  quick: "value",
  fail: "failed",
  exit: "WorkerExited",
  spin: "cancelled"
}

const byTurn = (one: Made, other: Made): number => other.priority - one.priority || one.n - other.n

/**
 * Makes waiting calls, and cancels some. Returns the calls that will run, in order, and a function that opens the gate.
 */
const queue = async (pool: Pool, { calls, workers }: Round, cells: Work["cells"]) => {
  const gates = Array.from({ length: workers }, (_, index) => make(pool, cells, { how: "gate" }, calls.length + index))
  await Effect.runPromise(Effect.forEach(gates, ({ n }) => whenSet(cells, runsOf(n))))
  const all = calls.map((given, n) => make(pool, cells, given, n))
  for (const made of all) if (made.isCancelled) made.controller.abort()
  const cancelled = all.filter(({ isCancelled }) => isCancelled)
  expect(await Promise.all(cancelled.map(({ end }) => end))).toEqual(cancelled.map(() => "cancelled"))
  const left = all.filter(({ isCancelled }) => !isCancelled).toSorted(byTurn)
  expect(await pool.waiting()).toEqual(left.map(({ n }) => String(n)))
  const open = (): void => {
    Atomics.store(cells, word.gateOpen, 1)
    Atomics.notify(cells, word.gateOpen)
    for (const { controller, how, n } of left) {
      if (how === "spin")
        Effect.runFork(
          Effect.andThen(
            whenSet(cells, runsOf(n)),
            Effect.sync(() => controller.abort())
          )
        )
    }
  }
  return { gates, left, open, cancelled }
}

const check = (cells: Work["cells"], workers: number, ran: ReadonlyArray<Made>, unrun: ReadonlyArray<Made>): void => {
  expect(ran.map(({ n }) => cells[runsOf(n)])).toEqual(ran.map(() => 1))
  expect(unrun.map(({ n }) => cells[runsOf(n)])).toEqual(unrun.map(() => 0))
  const begun = ran.map(({ n }) => cells[runsOf(n) + 1]!)
  // Two workers may begin in either order.
  if (workers === 1) expect(begun).toEqual(begun.toSorted((one, other) => one - other))
}

const perform = async (pool: Pool, round: Round): Promise<void> => {
  await pool.resize({ min: round.workers, max: round.workers })
  const cells = cellsOf(round.calls.length)
  const { cancelled, gates, left, open } = await queue(pool, round, cells)
  // The broadcast comes before the calls that wait.
  const n = round.calls.length + round.workers
  const broadcast = pool.broadcast({ n, how: "quick", cells })
  open()
  expect(await broadcast).toEqual(gates.map(() => "value"))
  expect(cells[runsOf(n)]).toBe(round.workers)
  expect(await Promise.all(left.map(({ end }) => end))).toEqual(left.map(({ how }) => ends[how]))
  expect(await Promise.all(gates.map(({ end }) => end))).toEqual(gates.map(() => "value"))
  check(cells, round.workers, left, cancelled)
  // With one worker, the broadcast has run before each of them.
  if (round.workers === 1) expect(left.filter((made) => cells[runsOf(made.n) + 1]! < cells[runsOf(n) + 1]!)).toEqual([])
}

/** Calls and broadcasts at once, on workers that are replaced after three tasks. */
const churn = async (pool: Pool, calls: ReadonlyArray<Call>): Promise<void> => {
  const cells = new Int32Array(new SharedArrayBuffer(8 * (2 * calls.length + 4)))
  const broadcasts: Array<{ readonly n: number; readonly ends: Promise<ReadonlyArray<string>> }> = []
  const all = calls.map((given, index) => {
    if (index % 8 === 7) {
      const n = calls.length + index
      broadcasts.push({ n, ends: pool.broadcast({ n, how: "quick", cells }) })
    }
    const made = make(pool, cells, given, index)
    if (given.isCancelled) made.controller.abort()
    return made
  })
  const ended = await Promise.all(all.map(({ end }) => end))
  expect(ended).toEqual(all.map(({ how, isCancelled }) => (isCancelled ? "cancelled" : ends[how])))
  const left = all.filter(({ isCancelled }) => !isCancelled)
  expect(left.map(({ n }) => cells[runsOf(n)])).toEqual(left.map(() => 1))
  for (const { ends, n } of broadcasts) {
    const results = await ends
    expect(results.length).toBeGreaterThan(0)
    expect(results).toEqual(results.map(() => "value"))
    expect(cells[runsOf(n)]).toBe(results.length)
  }
  expect(await pool.drain({})).toEqual({ finished: 0, cut: 0, neverStarted: 0 })
}

const drain = async (pool: Pool, round: Round, options: Task.DrainOptions): Promise<void> => {
  const cells = cellsOf(round.calls.length)
  await pool.resize({ min: round.workers, max: round.workers })
  const { cancelled, gates, left, open } = await queue(pool, round, cells)
  const report = pool.drain(options)
  const isDropped = options.queued === "drop"
  // Dropped calls end while the gate is closed.
  if (isDropped) expect(await Promise.all(left.map(({ end }) => end))).toEqual(left.map(() => "PoolClosed"))
  open()
  const finished = gates.length + (isDropped ? 0 : left.length)
  expect(await report).toEqual({ finished, cut: 0, neverStarted: isDropped ? left.length : 0 })
  if (!isDropped) expect(await Promise.all(left.map(({ end }) => end))).toEqual(left.map(({ how }) => ends[how]))
  expect(await make(pool, cells, { how: "quick", priority: 0, isCancelled: false }, 0).end).toBe("PoolClosed")
  check(cells, round.workers, isDropped ? [] : left, isDropped ? [...left, ...cancelled] : cancelled)
}

const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)

describe(`random programs (SEED=${seed})`, () => {
  for (const [kind, makePool] of Object.entries(kinds)) {
    it(`${kind} runs each call once, in the order of its priority, and settles it`, async () => {
      const { drain: options, rounds } = fc.sample(program, { numRuns: 1, seed })[0]!
      const pool = await makePool(1)
      try {
        for (const round of rounds.slice(1)) await perform(pool, round)
        await drain(pool, rounds[0]!, options)
      } finally {
        await pool.close()
      }
    })

    it(`${kind} loses no call and no broadcast while its workers are recycled`, async () => {
      const calls = fc.sample(fc.array(call, { minLength: 32, maxLength: 48 }), { numRuns: 1, seed })[0]!
      const pool = await makePool(2, { tasks: 3 })
      try {
        await churn(pool, calls)
      } finally {
        await pool.close()
      }
    })
  }
})
