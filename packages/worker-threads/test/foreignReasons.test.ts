/** Reasons of foreign signals that resemble reasons of this toolkit, and reasons with parts that can't be sent. */
import { CancelReason, Deadline, Thread } from "@quiesce/core"
import { createTaskPool } from "@quiesce/worker-threads/Task"
import { Data, Effect, Option } from "effect"
import { describe, expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { arrived, type Words } from "./fixtures/reason-function.ts"
import { makePool, whenSet } from "./support.ts"

class TimedOut extends Data.TaggedError("TimedOut")<{ readonly message: string }> {}
class Aborted extends Data.TaggedError("Aborted")<{ readonly message: string }> {}

class Shutdown {
  readonly _tag = "Shutdown"
  get message(): string {
    return "bye"
  }
}

const foreign: ReadonlyArray<{ readonly name: string; readonly value: unknown; readonly word: number }> = [
  {
    name: "an error of the user that is tagged TimedOut",
    value: new TimedOut({ message: "slow" }),
    word: arrived.aborted
  },
  {
    name: "an error of the user that is tagged Aborted",
    value: new Aborted({ message: "gone" }),
    word: arrived.aborted
  },
  {
    name: "the error of a deadline",
    value: new Deadline.DeadlineExceeded({ millis: 5, suppressed: [] }),
    word: arrived.aborted
  },
  {
    name: "an object that lacks the field of its tag",
    value: { _tag: "Lost", message: "gone" },
    word: arrived.aborted
  },
  {
    name: "a reason with a function",
    value: { ...CancelReason.interrupted({ message: "enough" }), retry: () => {} },
    word: arrived.interrupted
  },
  {
    name: "an instance of a class of the user that is tagged Shutdown and has a getter",
    value: new Shutdown(),
    word: arrived.aborted
  },
  { name: "an object that inherits a reason", value: Object.create(CancelReason.interrupted()), word: arrived.aborted },
  { name: "an object with a function", value: { retry: () => {} }, word: arrived.aborted }
]

describe.each(foreign)("a signal that aborts with $name", ({ value, word }) => {
  it.each(["Mark", "Hog"] as const)("ends a task of a contract: %s", (task) =>
    Effect.gen(function* () {
      const pool = yield* makePool()
      const controller = new AbortController()
      const cells = makeCells()
      const ended = pool.run(task, { cells }, { signal: controller.signal })
      yield* whenSet(cells, Cell.begun)
      controller.abort(value)
      expect(yield* Effect.flip(Effect.tryPromise({ try: () => ended, catch: (error) => error }))).toBeDefined()
      yield* whenSet(cells, Cell.cleanedUp)
      expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
      expect(yield* pool.status).toMatchObject({ workers: 1, running: 0 })
    }).pipe(Effect.scoped, Effect.runPromise)
  )

  it("is sent as a reason to a thread in a worker, and is in the thread's exit", () =>
    Effect.gen(function* () {
      const pool = yield* makePool()
      const cells = makeCells()
      const thread = yield* pool.spawn("Mark", { cells })
      yield* whenSet(cells, Cell.begun)
      const reason = CancelReason.fromUnknown(value)
      yield* Thread.interrupt(thread, { reason })
      const seen = Option.getOrUndefined(CancelReason.fromExit(yield* Thread.await(thread)))
      expect(seen).toMatchObject({ _tag: reason._tag, message: reason.message })
    }).pipe(Effect.scoped, Effect.runPromise))

  it("ends a plain function, which sees the reason", async () => {
    const url = new URL("./fixtures/reason-function.ts", import.meta.url)
    await using pool = createTaskPool<typeof import("./fixtures/reason-function.ts")>(url, { size: 1 })
    const words: Words = new Int32Array(new SharedArrayBuffer(8))
    const controller = new AbortController()
    const ended = pool.run(words, { signal: controller.signal })
    await Effect.runPromise(whenSet(words, Cell.begun))
    controller.abort(value)
    await expect(ended).rejects.toBeDefined()
    expect(words[Cell.reason]).toBe(word)
  })
})
