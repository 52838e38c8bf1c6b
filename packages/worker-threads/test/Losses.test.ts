import { Thread } from "@quiesce/core"
import { Cause, Effect, Exit, Logger, References } from "effect"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { makePool, whenSet } from "./support.ts"

interface Entry {
  readonly level: string
  readonly message: string
  readonly cause: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** The entries of a logger, and the effect with that logger. */
const logger = () => {
  const entries: Array<Entry> = []
  const collecting = Logger.make(({ cause, fiber, logLevel, message }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    entries.push({ level: logLevel, message: String(message), cause: Cause.pretty(cause), annotations })
  })
  return { entries, logged: Effect.provide(Logger.layer([collecting])) }
}

describe("the loss of a worker", () => {
  it("is logged once, with the worker's name, number and cause", async () => {
    const { entries, logged } = logger()
    await Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* makePool()
        expect(Exit.isFailure(yield* Effect.exit(pool.execute("Exit", { code: 3 })))).toBe(true)
        // A new worker takes the task.
        expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
      })
    ).pipe(logged, Effect.runPromise)
    expect(entries).toHaveLength(1)
    const [{ annotations, cause, level, message }] = entries as [Entry]
    const name = String(annotations["thread.name"])
    expect(name).toBe(`worker-${String(annotations["thread.id"])}`)
    expect([level, message]).toEqual(["Error", `A pool has lost its worker "${name}"`])
    expect(cause).toContain("process.exit")
  })

  it("is distinguished in the log from the end of a pool, a requested kill and an interrupt", async () => {
    const { entries, logged } = logger()
    await Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* makePool()
        const cells = makeCells()
        const spinning = yield* pool.spawn("Spin", { cells, lease: "page" })
        yield* whenSet(cells, Cell.begun)
        yield* Thread.shutdown(spinning, { escalation: { kill: "1 minute" } })
        const cellsOfNext = makeCells()
        yield* Effect.scoped(
          Effect.andThen(
            pool.spawn("Spin", { cells: cellsOfNext, lease: "book" }, { escalation: { kill: "1 minute" } }),
            whenSet(cellsOfNext, Cell.begun)
          )
        )
        const waiting = yield* pool.spawn("Wait", { lease: "page" })
        yield* Thread.interrupt(waiting)
        yield* pool.spawn("Wait", { lease: "page" })
      })
    ).pipe(logged, Effect.runPromise)
    // The report of the first kill lists its lost lease. The second kill has no report.
    expect(entries.map(({ annotations, message }) => [annotations["thread.name"], message])).toEqual([
      ["Spin", 'Thread "Spin" has lost the lease "book": it ended before the release']
    ])
  })

  it("is logged by the loggers of the pool, if the calls return Promises", async () => {
    const { entries, logged } = logger()
    const { entries: others, logged: loggedByOthers } = logger()
    await Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* makePool({ escalation: { kill: "1 minute" } })
        const cells = makeCells()
        const controller = new AbortController()
        const { signal } = controller
        const lost = pool.run("Spin", { cells, lease: "book" }, { signal }).catch((reason: unknown) => reason)
        yield* whenSet(cells, Cell.begun)
        controller.abort("enough")
        expect(yield* Effect.promise(() => lost)).toBe("enough")
      }).pipe(logged)
    ).pipe(loggedByOthers, Effect.runPromise)
    // The Promise has no report of the kill.
    expect(entries.map(({ message }) => message)).toEqual([
      'Thread "Spin" has lost the lease "book": it ended before the release',
      'Thread "Spin" did not end in time when it was asked to, and was killed. The reason of the request: Aborted: enough'
    ])
    expect(others).toEqual([])
  })

  it("is followed by the death of a thread that nothing joins", async () => {
    const { entries, logged } = logger()
    await Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* makePool()
        const thread = yield* pool.spawn("Exit", { code: 3 }, { name: "leaver" })
        while (yield* Thread.isAlive(thread)) yield* Effect.yieldNow
      })
    ).pipe(logged, Effect.runPromise)
    expect(entries.map(({ message }) => message).toSorted()).toEqual([
      expect.stringMatching(/^A pool has lost its worker "worker-\d+"$/),
      'Thread "leaver" has died, and no other thread has joined it'
    ])
  })
})
