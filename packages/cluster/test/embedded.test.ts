/** A runner and its client in one process, over one file. */
import * as ClusterRunner from "@quiesce/cluster/ClusterRunner"
import * as ClusterThreads from "@quiesce/cluster/ClusterThreads"
import { CancelReason, ForcedEnd, Lease, Thread } from "@quiesce/core"
import { Effect, Exit, Fiber, Layer, Option, type Scope } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { describe, expect, it } from "vitest"
import * as ThreadClient from "../src/internal/client/threadClient.ts"
import { embedded, fileOf } from "./fixtures/embedded.ts"
import { events } from "./fixtures/eventLog.ts"
import { Flush, Full, Tasks } from "./fixtures/tasks.ts"
import { storeOf } from "./fixtures/store.ts"

/** The client of a cluster without a runner. */
const noRunner = () =>
  ClusterRunner.client({ sharding: { runnerAddress: Option.none() } }).pipe(
    Layer.provideMerge(storeOf(fileOf("threads.db")))
  )

type Services = Layer.Success<ReturnType<typeof embedded>> | Scope.Scope

const run = <A, E>(
  program: (threads: ClusterThreads.Of<typeof Tasks>) => Effect.Effect<A, E, Services>,
  options?: ClusterThreads.Options
): Promise<A> =>
  Effect.runPromise(
    Effect.flatMap(ClusterThreads.make(Tasks, options), program).pipe(Effect.scoped, Effect.provide(embedded()))
  )

/** Waits until the log has a line. */
const whenLogged = (file: string, line: string): Effect.Effect<void> =>
  Effect.suspend(() =>
    events(file).includes(line) ? Effect.void : Effect.andThen(Effect.sleep(5), whenLogged(file, line))
  )

describe("a thread of an embedded cluster", () => {
  it("returns its value", async () => {
    const sum = run((threads) => Effect.flatMap(threads.spawn("Add", { a: 1, b: 2 }), Thread.join))
    expect(await sum).toBe(3)
  })

  it("decodes its payload and its value by the task's Schemas", async () => {
    const at = new Date(86_400_000)
    expect(await run((threads) => Effect.flatMap(threads.spawn("When", { at }), Thread.join))).toEqual(at)
  })

  it("fails with the task's own error", async () => {
    const exit = await run((threads) => Effect.flatMap(threads.spawn("Fail", { size: 7 }), Thread.await))
    expect(exit).toEqual(Exit.fail(new Full({ size: 7 })))
  })

  it("dies with the message of its defect", async () => {
    const exit = await run((threads) => Effect.flatMap(threads.spawn("Die"), Thread.await))
    expect(exit).toMatchObject({
      _tag: "Failure",
      cause: { reasons: [{ _tag: "Die", defect: { message: "broken" } }] }
    })
  })

  it("is interrupted with a reason, and the interrupt returns after its finalizers", async () => {
    const file = fileOf("log")
    const reason = CancelReason.interrupted({ message: "enough" })
    const exit = await run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Hold", { file, name: "a", releaseMillis: 300 })
        yield* whenLogged(file, "acquire a")
        yield* Thread.interrupt(thread, { reason })
        return yield* Thread.await(thread)
      })
    )
    expect(events(file)).toEqual(["start a", "acquire a", "release a"])
    expect(Option.map(CancelReason.fromExit(exit), ({ message }) => message)).toEqual(Option.some("enough"))
  })

  it("releases the leases of its own scope before its interrupt returns", async () => {
    const file = fileOf("log")
    await run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("HoldInThread", { file, name: "a", releaseMillis: 50 })
        yield* whenLogged(file, "acquire a")
        yield* Thread.interrupt(thread)
        expect(events(file)).toEqual(["start a", "acquire a", "release a"])
      })
    )
  })

  it("ends once when two clients interrupt it, and both return", async () => {
    const file = fileOf("log")
    const exit = await run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Hold", { file, name: "a", releaseMillis: 50 })
        yield* whenLogged(file, "acquire a")
        const sql = yield* SqlClient
        const [row] = yield* sql<{ readonly id: string }>`SELECT id FROM quiesce_threads`
        const other = (yield* ThreadClient.make)(row!.id)
        const reasons = [
          CancelReason.interrupted({ message: "one" }),
          CancelReason.interrupted({ message: "two" })
        ] as const
        yield* Effect.all([Thread.interrupt(thread, { reason: reasons[0] }), other.Interrupt({ reason: reasons[1] })], {
          concurrency: "unbounded"
        })
        return yield* Thread.await(thread)
      })
    )
    expect(events(file)).toEqual(["start a", "acquire a", "release a"])
    expect(["one", "two"]).toContain(Option.getOrThrow(CancelReason.fromExit(exit)).message)
  })

  it("answers a raise that no runner has received when it settles", async () => {
    const [raised, exit] = await Effect.gen(function* () {
      const threads = yield* ClusterThreads.make(Tasks)
      const thread = yield* threads.spawn("Receive")
      const raised = yield* Effect.forkChild(Thread.raise(thread, new Flush({ part: 4 })))
      yield* Thread.interrupt(thread)
      return [yield* Fiber.join(raised), yield* Thread.await(thread)] as const
    }).pipe(Effect.scoped, Effect.provide(noRunner()), Effect.runPromise)
    expect(raised).toBe(false)
    expect(Exit.hasInterrupts(exit)).toBe(true)
  })

  it("stops when it is asked to, with the reason", async () => {
    const value = run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("UntilStopped")
        yield* Thread.stop(thread, { reason: CancelReason.stopped({ message: "time to go" }) })
        return yield* Thread.join(thread)
      })
    )
    expect(await value).toBe("time to go")
  })

  it("receives a raised error", async () => {
    const value = run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Receive")
        expect(yield* Thread.raise(thread, new Flush({ part: 4 }))).toBe(true)
        return yield* Thread.join(thread)
      })
    )
    expect(await value).toBe(4)
  })

  it("refuses a raise of an error that JSON can't represent, and survives", async () => {
    const value = run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Receive")
        const endless = Object.assign(new Error("endless"), { self: {} })
        endless.self = endless
        const refused = yield* Effect.exit(Thread.raise(thread, endless))
        expect(refused).toMatchObject({
          cause: { reasons: [{ defect: { _tag: "ClusterError", reason: { _tag: "NotSendable", task: "Receive" } } }] }
        })
        expect(yield* Thread.raise(thread, new Flush({ part: 4 }))).toBe(true)
        return yield* Thread.join(thread)
      })
    )
    expect(await value).toBe(4)
  })

  it("ends with its scope", async () => {
    const file = fileOf("log")
    await run((threads) =>
      Effect.scoped(
        Effect.andThen(threads.spawn("Hold", { file, name: "a", releaseMillis: 50 }), whenLogged(file, "acquire a"))
      )
    )
    expect(events(file)).toEqual(["start a", "acquire a", "release a"])
  })

  it("starts again with onLoss rerun after its runner was declared lost, and its report has the leases of both starts", async () => {
    const file = fileOf("log")
    const { exit, tally } = await run((threads) =>
      Effect.gen(function* () {
        const hold = { file, name: "a", releaseMillis: 0 }
        const thread = yield* threads.spawn("Hold", hold, { onLoss: "rerun" })
        const other = yield* threads.spawn("Hold", { ...hold, name: "b" })
        yield* whenLogged(file, "acquire a")
        yield* whenLogged(file, "acquire b")
        const reason = JSON.stringify(CancelReason.lost("host-1:4000"))
        // Another runner does this when the row of the runner has expired.
        yield* Effect.flatMap(
          SqlClient,
          (sql) => sql`UPDATE quiesce_threads SET state = 'killed', token = token + 1, reason = ${reason}`
        )
        const lost = yield* Thread.await(other)
        expect(Option.map(CancelReason.fromExit(lost), ({ _tag }) => _tag)).toEqual(Option.some("Lost"))
        yield* Effect.repeat(Lease.tally(thread), { until: ({ acquired }) => acquired === 2 })
        yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "enough" }) })
        return { exit: yield* Thread.await(thread), tally: yield* Lease.tally(thread) }
      })
    )
    expect(Option.map(CancelReason.fromExit(exit), ({ message }) => message)).toEqual(Option.some("enough"))
    expect(tally).toMatchObject({ acquired: 2, released: 2, lost: 0 })
    expect(
      events(file)
        .filter((event) => event.startsWith("start"))
        .toSorted()
    ).toEqual(["start a", "start a", "start b"])
  })

  it("does not start again with onLoss rerun if its end was requested", async () => {
    const file = fileOf("log")
    const exit = await run((threads) =>
      Effect.gen(function* () {
        const hold = { file, name: "a", releaseMillis: 60_000 }
        const thread = yield* threads.spawn("Hold", hold, { onLoss: "rerun" })
        yield* whenLogged(file, "acquire a")
        yield* Thread.interruptFork(thread)
        const reason = JSON.stringify(CancelReason.lost("host-1:4000"))
        const sql = yield* SqlClient
        yield* sql`UPDATE quiesce_threads SET state = 'killed', token = token + 1, reason = ${reason}`
        return yield* Thread.await(thread)
      })
    )
    expect(Option.map(ForcedEnd.fromExit(exit), ({ _tag }) => _tag)).toEqual(Option.some("Killed"))
    expect(events(file)).toEqual(["start a", "acquire a"])
  })

  it("is killed at once, and the report names the lost lease", async () => {
    const file = fileOf("log")
    const report = await run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Hold", { file, name: "a", releaseMillis: 60_000 })
        yield* whenLogged(file, "acquire a")
        const shutdown = Thread.shutdown(thread, { escalation: { interrupt: "50 millis", kill: "10 seconds" } })
        const done = yield* shutdown
        const end = ForcedEnd.fromExit(yield* Thread.await(thread))
        expect(Option.map(end, ({ lost }) => lost)).toEqual(Option.some(["page"]))
        return done
      })
    )
    expect(report).toMatchObject({ rung: "kill", ending: { _tag: "Killed" }, lost: [{ lease: "page" }] })
  })
})
