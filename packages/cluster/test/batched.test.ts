/** The statements of threads that start or end in one turn. */
import { Effect, Exit, Layer } from "effect"
import { expect, it } from "vitest"
import { batched } from "../src/internal/store/batched.ts"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import * as ThreadStore from "../src/internal/store/threadStore.ts"

it("calls of one turn share a statement, and a later call has its own", async () => {
  const batches: Array<ReadonlyArray<number>> = []
  const double = batched((items: ReadonlyArray<number>) =>
    Effect.sync(() => {
      batches.push(items)
      return items.map((item) => item * 2)
    })
  )
  const results = await Effect.runPromise(
    Effect.gen(function* () {
      const together = yield* Effect.forEach([1, 2, 3], double, { concurrency: "unbounded" })
      return [...together, yield* double(4)]
    })
  )

  expect(results).toEqual([2, 4, 6, 8])
  expect(batches).toEqual([[1, 2, 3], [4]])
})

it("an item that fails does not fail the others of its turn", async () => {
  const check = batched((items: ReadonlyArray<number>) =>
    items.includes(2) ? Effect.fail("refused") : Effect.succeed(items)
  )
  const exits = await Effect.runPromise(
    Effect.forEach([1, 2, 3], (item) => Effect.exit(check(item)), { concurrency: "unbounded" })
  )

  expect(exits).toEqual([Exit.succeed(1), Exit.fail("refused"), Exit.succeed(3)])
})

it("a thread that already exists, and an outcome with another token, do not affect the others of their turn", () =>
  Effect.gen(function* () {
    const store = yield* ThreadStore.open
    const claim = (id: string) => store.claim({ id, task: "T", name: id, runner: "r", caller: "c" })
    yield* claim("b")
    yield* store.kill("b", "reason")
    const claimed = yield* Effect.forEach(["a", "b", "c"], claim, { concurrency: "unbounded" })
    expect(claimed.map(({ _tag }) => _tag)).toEqual(["Claimed", "Known", "Claimed"])

    const ends = [store.end("a", 1, `{"of":"a"}`), store.end("b", 1, "late"), store.end("c", 1, `{"of":"c"}`)]
    expect(yield* Effect.all(ends, { concurrency: "unbounded" })).toEqual([true, false, true])
    expect(yield* store.row("a")).toMatchObject({ state: "ended", outcome: `{"of":"a"}`, token: 1 })
    expect(yield* store.row("b")).toMatchObject({ state: "killed", outcome: null, token: 2 })
  }).pipe(Effect.provide(SqliteClient.layer(":memory:").pipe(Layer.fresh)), Effect.runPromise))
