/** The claims of the README's table about Effect alone and about piscina, beside the same programs with Quiesce. */
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Abort, Lease } from "@quiesce/core"
import { Deferred, Effect, Fiber, type Scope } from "effect"
import { Piscina } from "piscina"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { runFile } from "./support.ts"

describe("a busy loop in a worker, aborted", () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "quiesce-test-"))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it("piscina: the worker is killed and the cleanup does not run", async () => {
    const ran = await runFile("examples/07-busy-loop/piscina/main.ts", { cwd: folder })

    expect(ran).toEqual({
      lines: [
        "calls in this worker: 1",
        "ended: AbortError",
        "draft.txt is left behind: true",
        "calls in this worker: 1"
      ],
      errors: "",
      code: 0,
      signal: null
    })
  })

  it("Quiesce: the cleanup runs and the same worker takes the next task", async () => {
    const ran = await runFile("examples/07-busy-loop/main.ts", { cwd: folder })

    expect(ran).toEqual({
      lines: [
        "calls in this worker: 1",
        "ended: TimeoutError",
        "draft.txt is left behind: false",
        "calls in this worker: 3"
      ],
      errors: "",
      code: 0,
      signal: null
    })
    expect(await readdir(folder)).toEqual([])
  })
})

type Promised = (f: (signal: AbortSignal) => Promise<unknown>) => Effect.Effect<unknown, unknown>

/** Interrupts a fiber that waits for a promise, and returns the order in which the promise and its resource ended. */
const orderOf = (promised: Promised, resource: (release: () => void) => Effect.Effect<unknown, unknown, Scope.Scope>) =>
  Effect.gen(function* () {
    const order: Array<string> = []
    const called = yield* Deferred.make<void>()
    const work = Effect.andThen(
      resource(() => order.push("released")),
      promised(
        (signal) =>
          new Promise<void>((resolve) => {
            const settle = () => {
              order.push("settled")
              resolve()
            }
            // An aborted request ends some turns of the event loop later.
            signal.addEventListener("abort", () => setImmediate(() => setImmediate(settle)))
            Deferred.doneUnsafe(called, Effect.void)
          })
      )
    )
    const fiber = yield* Effect.forkChild(Effect.scoped(work))
    yield* Deferred.await(called)
    yield* Fiber.interrupt(fiber)
    return order
  })

describe("a resource of an aborted promise", () => {
  it("Effect alone: is released before the promise has settled", async () => {
    const order = orderOf(Effect.tryPromise, (release) =>
      Effect.acquireRelease(Effect.void, () => Effect.sync(release))
    )

    expect(await Effect.runPromise(order)).toEqual(["released"])
  })

  it("Quiesce: is released after the promise has settled", async () => {
    const order = orderOf(Abort.promise, (release) =>
      Lease.acquire({ name: "connection", acquire: Effect.void, release: () => Effect.sync(release) })
    )

    expect(await Effect.runPromise(order)).toEqual(["settled", "released"])
  })
})

it("piscina: a crash of one worker does not affect the task of another worker", async () => {
  const filename = new URL("./fixtures/crashing.ts", import.meta.url).href
  const pool = new Piscina({ filename, minThreads: 2, maxThreads: 2, concurrentTasksPerWorker: 1 })
  try {
    const cells = new Int32Array(new SharedArrayBuffer(8))
    const other = pool.run({ crash: false, cells })
    const started = Atomics.waitAsync(cells, 1, 0)
    if (started.async) await started.value

    await expect(pool.run({ crash: true, cells })).rejects.toThrow(/exit/)
    Atomics.store(cells, 0, 1)
    Atomics.notify(cells, 0)

    expect(await other).toBe("not disturbed")
  } finally {
    await pool.destroy()
  }
})
