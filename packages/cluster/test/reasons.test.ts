/** Reasons that core takes and that lack the fields of their kind, as a program without types may give them. */
import { ClusterRunner, ClusterStore, ClusterThreads } from "@quiesce/cluster"
import { CancelReason, Thread } from "@quiesce/core"
import { Effect, Layer, Option } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { SqlClient } from "effect/sql/SqlClient"
import { describe, expect, it } from "vitest"

class Tasks extends RpcGroup.make(Rpc.make("Hold"), Rpc.make("EndSo")) {}

const incomplete: CancelReason.CancelReason = JSON.parse('{ "_tag": "TimedOut", "message": "late", "by": "a test" }')

const handlers = Tasks.toLayer({
  Hold: () => Effect.never,
  EndSo: () => Effect.failCause(CancelReason.toCause(incomplete))
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

const sent = { _tag: "Interrupted", message: "late", by: "a test", at: expect.any(Number) }

describe("a reason without the fields of its kind arrives as an Interrupted with its message", () => {
  it("in an interrupt", async () => {
    const end = await endOf("Hold", (thread) => Thread.interrupt(thread, { reason: incomplete }))
    expect(end).toEqual({ reason: sent, rows: [{ state: "ended" }] })
  })

  it("in a stop, which an interrupt follows", async () => {
    const end = await endOf("Hold", (thread) =>
      Effect.andThen(Thread.stop(thread, { reason: incomplete }), Thread.interrupt(thread))
    )
    expect(end).toMatchObject({ rows: [{ state: "ended" }] })
  })

  it("in the exit of a body", async () => {
    const end = await endOf("EndSo", () => Effect.void)
    expect(end).toEqual({ reason: { _tag: "Interrupted", message: "late", by: "a test" }, rows: [{ state: "ended" }] })
  })
})
