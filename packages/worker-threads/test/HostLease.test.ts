import { Lease, Thread } from "@quiesce/core"
import { HostLease, WorkerPool } from "@quiesce/worker-threads"
import { Cause, Deferred, Effect, Exit } from "effect"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker, type WorkerOptions } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { makeCells } from "./fixtures/contract.ts"
import { NoRoom, Tasks, TempFolder } from "./fixtures/host-leases.ts"
import { whenSet } from "./support.ts"
import { Cell } from "./fixtures/cells.ts"

/** The defects of an exit that has only defects. */
const defectsOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> =>
  Exit.isFailure(exit) ? exit.cause.reasons.map((reason) => (Cause.isDieReason(reason) ? reason.defect : reason)) : []

const url = new URL("./fixtures/host-leases.worker.ts", import.meta.url)

/** The folders that were made. */
const makePool = (folders: Array<string>, acquiring?: Deferred.Deferred<void>) =>
  WorkerPool.make(Tasks, {
    spawn: (options) => new Worker(url, options),
    size: 1,
    hostLeases: [
      HostLease.handler(TempFolder, (prefix) => {
        if (prefix === "full") return Effect.fail(new NoRoom({ prefix }))
        const folder = Effect.acquireRelease(
          Effect.sync(() => {
            const path = mkdtempSync(join(tmpdir(), `quiesce-${prefix}`))
            folders.push(path)
            return path
          }),
          (path) => Effect.sync(() => rmSync(path, { recursive: true }))
        )
        if (acquiring === undefined) return folder
        return Effect.andThen(folder, Effect.andThen(Deferred.succeed(acquiring, undefined), Effect.never))
      })
    ]
  })

type Pool = Effect.Success<ReturnType<typeof makePool>>

const withPool =
  (f: (pool: Pool, folders: ReadonlyArray<string>) => Effect.Effect<void, unknown, never>) => (): Promise<void> => {
    const folders: Array<string> = []
    return Effect.runPromise(Effect.scoped(Effect.flatMap(makePool(folders), (pool) => f(pool, folders))))
  }

/**
 * The exit of a `Hold` that is ended by `end` once the task holds its folder, and whether the folder existed until
 * then.
 */
const held = (
  pool: Pool,
  folders: ReadonlyArray<string>,
  how: "wait" | "spin" | "hog",
  end: (thread: Thread.Thread<unknown, unknown>) => Effect.Effect<unknown, unknown>
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const cells = makeCells()
      const thread = yield* pool.spawn("Hold", { prefix: how, how, cells })
      yield* whenSet(cells, Cell.begun)
      expect(folders.map((folder) => existsSync(folder))).toEqual([true])
      yield* end(thread)
      const exit = yield* Thread.await(thread)
      expect(folders.map((folder) => existsSync(folder))).toEqual([false])
      expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 1, released: 1, lost: 0 })
      return exit
    })
  )

/** Starts a task that holds its folder and succeeds. */
const succeeding = (pool: Pool, prefix: string) => pool.spawn("Hold", { prefix, how: "succeed", cells: makeCells() })

/** A plain function in place of an effect, which JavaScript allows. */
const noEffect = () => undefined as unknown as Effect.Effect<void>

describe("HostLease", () => {
  it.each(["succeed", "fail", "exit"] as const)("is released when its task ends: %s", (how) =>
    withPool((pool, folders) =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(pool.execute("Hold", { prefix: how, how, cells: makeCells() }))
        expect(Exit.isSuccess(exit) && exit.value).toBe(how === "succeed")
        expect(folders.map((folder) => existsSync(folder))).toEqual([false])
      })
    )()
  )

  it.each([
    ["handler", HostLease.handler, 1],
    ["answer", HostLease.answer, 0]
  ] as const)("uses the handlers of HostLease.provide for one task, before those of the pool: %s", (_, define, count) =>
    withPool((pool, folders) =>
      Effect.gen(function* () {
        const asked: Array<string> = []
        const own = define(TempFolder, (prefix) => Effect.sync(() => (asked.push(prefix), prefix)))
        const thread = yield* HostLease.provide(succeeding(pool, "own"), [own])
        yield* Thread.await(thread)
        expect(yield* Lease.tally(thread)).toMatchObject({ acquired: count })
        expect(folders).toEqual([])
        yield* Effect.flatMap(succeeding(pool, "pool"), Thread.await)
        expect(asked).toEqual(["own"])
        expect(folders).toHaveLength(1)
      }).pipe(Effect.scoped)
    )()
  )

  it.each(["succeed", "fail"] as const)("passes the exit of the worker's scope to the release: %s", async (how) => {
    const ends: Array<string> = []
    const folder = HostLease.handler(TempFolder, (prefix) =>
      Effect.acquireRelease(Effect.succeed(prefix), (_, exit) => Effect.sync(() => ends.push(exit._tag)))
    )
    const program = Effect.gen(function* () {
      const options = { spawn: (options: WorkerOptions) => new Worker(url, options), size: 1, hostLeases: [folder] }
      const pool = yield* WorkerPool.make(Tasks, options)
      yield* Effect.exit(pool.execute("Hold", { prefix: how, how, cells: makeCells() }))
    })
    await Effect.runPromise(Effect.scoped(program))
    expect(ends).toEqual([how === "succeed" ? "Success" : "Failure"])
  })

  it.each([
    ["released by its worker", "wait", { interrupt: "10 seconds" }],
    ["left by a killed worker", "spin", { interrupt: 0, kill: "10 seconds" }]
  ] as const)("is reported as failed if its release returns no effect: %s", async (_, how, escalation) => {
    const folder = HostLease.handler(TempFolder, (prefix) => Effect.acquireRelease(Effect.succeed(prefix), noEffect))
    const program = Effect.gen(function* () {
      const pool = yield* WorkerPool.make(Tasks, {
        spawn: (options) => new Worker(url, options),
        size: 1,
        hostLeases: [folder]
      })
      const cells = makeCells()
      const thread = yield* pool.spawn("Hold", { prefix: how, how, cells })
      yield* whenSet(cells, Cell.begun)
      return yield* Thread.shutdown(thread, { escalation })
    })
    const report = await Effect.runPromise(Effect.scoped(program))
    expect(report).toMatchObject({ failed: [{ lease: "TempFolder" }], released: [], lost: [] })
  })

  it(
    "is released when its task is interrupted",
    withPool((pool, folders) => held(pool, folders, "wait", Thread.interrupt).pipe(Effect.asVoid))
  )

  it(
    "is released when its task is unwound",
    withPool((pool, folders) => held(pool, folders, "hog", Thread.interrupt).pipe(Effect.asVoid))
  )

  it(
    "is released by the host, and not lost, when the worker is killed",
    withPool((pool, folders) =>
      Effect.gen(function* () {
        let report: unknown
        const exit = yield* held(pool, folders, "spin", (thread) =>
          Effect.map(
            Thread.shutdown(thread, { escalation: { interrupt: 0, kill: "5 seconds" } }),
            (made) => (report = made)
          )
        )
        expect(Exit.isFailure(exit)).toBe(true)
        expect(report).toMatchObject({ released: [{ lease: "TempFolder" }], lost: [] })
      })
    )
  )

  it(
    "fails with the declared error, and is refused if the pool does not declare it",
    withPool((pool) =>
      Effect.gen(function* () {
        expect(yield* pool.execute("Ask", { prefix: "full" })).toBe("NoRoom full")
        expect(yield* pool.execute("Ask", { prefix: "free" })).toBe("acquired")
        const answer = yield* pool.execute("AskSecret", undefined)
        expect(answer).toMatch(/^Cause\(\[Die\(.*"Secret".*Give the pool a HostLease.handler for it.*\)\]\)$/)
      })
    )
  )

  it(
    "is released in order with the leases of the worker",
    withPool((pool) =>
      Effect.gen(function* () {
        expect(yield* pool.execute("Order", undefined)).toEqual(["c: true", "a: false"])
      })
    )
  )

  it("is not kept when the request is cancelled", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const folders: Array<string> = []
          const acquiring = yield* Deferred.make<void>()
          const pool = yield* makePool(folders, acquiring)
          const thread = yield* pool.spawn("Ask", { prefix: "slow" })
          yield* Deferred.await(acquiring)
          yield* Thread.interrupt(thread)
          expect(folders.map((folder) => existsSync(folder))).toEqual([false])
          expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 0 })
        })
      )
    ))

  it("is a defect outside a task", async () => {
    const exit = await Effect.runPromiseExit(Effect.scoped(HostLease.acquire(TempFolder, "here")))
    expect(defectsOf(exit)).toMatchObject([{ reason: { _tag: "UnknownLease", lease: "TempFolder" } }])
  })

  it("is a defect for a value that is no lease, for a handler of such a value, and for a handler without a function", async () => {
    const lease = { name: "TempFolder" } as unknown as typeof TempFolder
    const exit = await Effect.runPromiseExit(Effect.scoped(HostLease.acquire(lease, "here")))
    expect(defectsOf(exit)).toMatchObject([{ message: expect.stringContaining("declare one with HostLease.make") }])
    expect(() => HostLease.handler(lease, () => Effect.succeed("/tmp"))).toThrow("declare one with HostLease.make")
    expect(() => HostLease.handler(TempFolder, Effect.succeed("/tmp") as never)).toThrow("is not a function")
  })
})
