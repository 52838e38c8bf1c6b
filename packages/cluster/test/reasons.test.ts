/** Reasons of foreign signals that resemble reasons of this toolkit, and reasons with parts that can't be sent. */
import { ClusterRunner, ClusterStore, ClusterThreads } from "@quiesce/cluster"
import { CancelReason, Thread } from "@quiesce/core"
import { Effect, Exit, Layer, Option } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { SqlClient } from "effect/sql/SqlClient"
import { describe, expect, it } from "vitest"

class Tasks extends RpcGroup.make(Rpc.make("Hold"), Rpc.make("EndSo")) {}

const incomplete: CancelReason.CancelReason = JSON.parse('{ "_tag": "TimedOut", "message": "late", "by": "a test" }')

const unreadable = Object.defineProperty({}, "part", {
  enumerable: true,
  get: () => {
    throw new Error("it can't be read")
  }
})

const foreign: ReadonlyArray<{ readonly name: string; readonly value: unknown }> = [
  { name: "lacks the field of its tag", value: incomplete },
  { name: "throws when it is read", value: unreadable },
  {
    name: "is a reason with a function",
    value: { ...CancelReason.interrupted({ message: "enough" }), retry: () => {} }
  }
]

/** The reason with which the next `EndSo` ends. */
let next: CancelReason.CancelReason = CancelReason.interrupted()

const handlers = Tasks.toLayer({
  Hold: () => Effect.never,
  EndSo: () => Effect.failCause(CancelReason.toCause(next))
})

const cluster = ClusterRunner.embedded(Tasks).pipe(
  Layer.provide(handlers),
  Layer.provideMerge(Layer.fresh(ClusterStore.sqlite({ filename: ":memory:" })))
)

/** The reason of a thread's exit, and the states of all rows. */
const endOf = (
  task: "Hold" | "EndSo",
  end: (thread: Thread.Thread<void, unknown>) => Effect.Effect<unknown>
): Promise<unknown> =>
  Effect.gen(function* () {
    const threads = yield* ClusterThreads.make(Tasks)
    const thread = yield* threads.spawn(task)
    while ((yield* Thread.status(thread))._tag === "Queued") yield* Effect.sleep(5)
    yield* end(thread)
    const reason = Option.getOrUndefined(CancelReason.fromExit(yield* Thread.await(thread)))
    const sql = yield* SqlClient
    return { reason, rows: yield* sql`SELECT state FROM quiesce_threads` }
  }).pipe(Effect.scoped, Effect.provide(cluster), Effect.runPromise)

describe.each(foreign)("a foreign reason that $name arrives", ({ value }) => {
  const reason = CancelReason.fromUnknown(value)
  const expected = {
    reason: expect.objectContaining({ _tag: reason._tag, message: reason.message }),
    rows: [{ state: "ended" }]
  }

  it("in an interrupt", async () => {
    expect(await endOf("Hold", (thread) => Thread.interrupt(thread, { reason }))).toEqual(expected)
  })

  it("in a stop, which an interrupt follows", async () => {
    const end = await endOf("Hold", (thread) =>
      Effect.andThen(Thread.stop(thread, { reason }), Thread.interrupt(thread))
    )
    expect(end).toMatchObject({ rows: [{ state: "ended" }] })
  })

  it("in the exit of a body", async () => {
    next = reason
    expect(await endOf("EndSo", () => Effect.void)).toEqual(expected)
  })
})

it("a reason without the field of its kind is refused, and the thread continues", async () => {
  const end = await endOf("Hold", (thread) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Thread.interrupt(thread, { reason: incomplete }))
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain("is no CancelReason")
      expect((yield* Thread.status(thread))._tag).toBe("Running")
      yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "really" }) })
    })
  )
  expect(end).toMatchObject({ reason: { message: "really" }, rows: [{ state: "ended" }] })
})
