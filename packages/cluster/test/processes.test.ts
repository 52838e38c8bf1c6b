/** Runners in processes of their own, with real signals. */
import { ClusterError, ClusterThreads } from "@quiesce/cluster"
import { CancelReason, ForcedEnd, Lease, Thread, ThreadDump } from "@quiesce/core"
import { Effect, Exit, Option } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { describe, expect, it } from "vitest"
import { Cluster } from "./fixtures/processes.ts"
import { Tasks } from "./fixtures/tasks.ts"

const messageOf = (exit: Exit.Exit<unknown, unknown>): string | undefined =>
  Option.getOrUndefined(Option.map(CancelReason.fromExit(exit), ({ message }) => message))

/** Waits until the client has received a lease of the thread. */
const whenHeld = (thread: Thread.Thread<unknown, unknown>): Effect.Effect<void> =>
  Effect.flatMap(ThreadDump.of(thread), (dump) =>
    dump.leases.length > 0 ? Effect.void : Effect.andThen(Effect.sleep(5), whenHeld(thread))
  )

/** The state of each thread and whether a runner has started it, with the oldest thread first. */
const rows = Effect.flatMap(SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly name: string; readonly state: string; readonly runner: string | null }>`
      SELECT name, state, runner FROM quiesce_threads ORDER BY changed`,
    (found) => found.map(({ name, runner, state }) => ({ name, state, hasRunner: runner !== null }))
  )
)

/** The rows of a thread before its start, and after a runner has started the thread. */
const neverStarted = (task: string) => [
  { name: task, state: "cancelled", hasRunner: false },
  { name: "Where", state: "ended", hasRunner: true }
]

describe("a thread at another process", () => {
  it("returns its value, and its interrupt returns after its finalizers", async () => {
    await using cluster = new Cluster()
    await cluster.start()
    const exit = await cluster.run((threads) =>
      Effect.gen(function* () {
        const sums = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, n) => n),
          (n) => Effect.flatMap(threads.spawn("Add", { a: n, b: 1 }), Thread.join),
          { concurrency: "unbounded" }
        )
        expect(sums).toEqual(Array.from({ length: 20 }, (_, n) => n + 1))
        const thread = yield* threads.spawn("Hold", { file: cluster.log, name: "a", releaseMillis: 300 })
        yield* cluster.whenLogged("acquire a")
        yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "enough" }) })
        expect(cluster.events).toEqual(["start a", "acquire a", "release a"])
        return yield* Thread.await(thread)
      })
    )
    expect(messageOf(exit)).toBe("enough")
  })

  it("is killed when its process is killed, is not started again, and its report names the lost lease", async () => {
    await using cluster = new Cluster()
    const runners = [await cluster.start(), await cluster.start()]
    const { exit, millis } = await cluster.run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Hold", { file: cluster.log, name: "a", releaseMillis: 0 })
        yield* whenHeld(thread)
        const start = performance.now()
        for (const runner of runners) runner.process.kill("SIGKILL")
        const exit = yield* Thread.await(thread)
        return { exit, millis: performance.now() - start }
      })
    )
    expect(Option.map(ForcedEnd.fromExit(exit), ({ _tag, lost }) => ({ _tag, lost }))).toEqual(
      Option.some({ _tag: "Killed", lost: ["page"] })
    )
    expect(messageOf(exit)).toMatch(/^The runner localhost:\d+ is gone$/)
    expect(cluster.events).toEqual(["start a", "acquire a"])
    // Without this package, the engine takes half a minute.
    expect(millis).toBeLessThan(20_000)
  })

  it("ends by the escalation of its runner when the runner gets SIGTERM", async () => {
    await using cluster = new Cluster()
    const runner = await cluster.start()
    const exit = await cluster.run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Hold", { file: cluster.log, name: "a", releaseMillis: 100 })
        yield* cluster.whenLogged("acquire a")
        runner.process.kill("SIGTERM")
        return yield* Thread.await(thread)
      })
    )
    // With another live runner, the reason is `Moved`, with the same message.
    expect(Option.getOrUndefined(CancelReason.fromExit(exit))).toMatchObject({
      _tag: "Shutdown",
      message: "The runner shuts down"
    })
    expect(cluster.events).toEqual(["start a", "acquire a", "release a"])
    expect(await runner.exit).toBe(130)
  })

  it("has the reason Moved when its runner receives SIGTERM and another runner lives, and starts there with onLoss rerun", async () => {
    await using cluster = new Cluster()
    const first = await cluster.start()
    const { exit, pid } = await cluster.run((threads) =>
      Effect.gen(function* () {
        const hold = (name: string) => ({ file: cluster.log, name, releaseMillis: 20 })
        const moved = yield* threads.spawn("Hold", hold("a"))
        const again = yield* threads.spawn("Hold", hold("b"), { onLoss: "rerun" })
        yield* cluster.whenLogged("acquire a")
        yield* cluster.whenLogged("acquire b")
        const second = yield* Effect.promise(() => cluster.start())
        first.process.kill("SIGTERM")
        const exit = yield* Thread.await(moved)
        yield* Effect.repeat(Lease.tally(again), { until: ({ acquired }) => acquired === 2 })
        const { runsOn } = yield* ThreadDump.of(again)
        expect(runsOn).toBe(`runner localhost:${second.port}`)
        yield* Thread.interrupt(again)
        expect(yield* Lease.tally(again)).toMatchObject({ acquired: 2, released: 2, lost: 0 })
        return { exit, pid: yield* Effect.flatMap(threads.spawn("Where"), Thread.join) }
      })
    )
    expect(pid).not.toBe(first.process.pid)
    expect(Option.getOrUndefined(CancelReason.fromExit(exit))).toMatchObject({
      _tag: "Moved",
      from: `localhost:${first.port}`
    })
    const own = (name: string) => cluster.events.filter((event) => event.endsWith(` ${name}`))
    expect(own("a")).toEqual(["start a", "acquire a", "release a"])
    expect(own("b")).toEqual(["start b", "acquire b", "release b", "start b", "acquire b", "release b"])
  })

  it("is killed at once while its process is frozen, and ends there when the process continues", async () => {
    await using cluster = new Cluster()
    const runner = await cluster.start()
    const exit = await cluster.run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Hold", { file: cluster.log, name: "a", releaseMillis: 0 })
        yield* cluster.whenLogged("acquire a")
        runner.process.kill("SIGSTOP")
        yield* Thread.shutdown(thread, { escalation: { kill: "10 seconds" } })
        return yield* Thread.await(thread)
      })
    )
    expect(Option.isSome(ForcedEnd.fromExit(exit))).toBe(true)
    expect(cluster.events).toEqual(["start a", "acquire a"])
    runner.process.kill("SIGCONT")
    await Effect.runPromise(cluster.whenLogged("release a"))
  })

  it("is killed when its only runner is frozen for longer than the lifetime of the runner's row", async () => {
    await using cluster = new Cluster()
    const runner = await cluster.start(2000)
    const exit = await cluster.run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Hold", { file: cluster.log, name: "a", releaseMillis: 0 })
        yield* cluster.whenLogged("acquire a")
        runner.process.kill("SIGSTOP")
        return yield* Thread.await(thread)
      })
    )
    expect(Option.map(CancelReason.fromExit(exit), ({ _tag }) => _tag)).toEqual(Option.some("Lost"))
    runner.process.kill("SIGCONT")
    await Effect.runPromise(cluster.whenLogged("release a"))
  })

  it("ends at an interrupt that follows a stop, while there is no runner, and never starts later", async () => {
    await using cluster = new Cluster()
    const exit = await cluster.run((threads) =>
      Effect.gen(function* () {
        const thread = yield* threads.spawn("Hold", { file: cluster.log, name: "a", releaseMillis: 0 })
        yield* Thread.stop(thread)
        yield* Thread.interrupt(thread)
        const runner = yield* Effect.promise(() => cluster.start())
        expect(yield* Effect.flatMap(threads.spawn("Where"), Thread.join)).toBe(runner.process.pid)
        expect(yield* rows).toEqual(neverStarted("Hold"))
        return yield* Thread.await(thread)
      })
    )
    expect(Exit.hasInterrupts(exit)).toBe(true)
    expect(cluster.events).toEqual([])
  })

  it.for([
    ["the row of the runner", 3000, {}, 2400],
    ["a lock of the engine", 35_000, { FAST: "1" }, 1600]
  ] as const)(
    "is killed when it blocks its runner for too long, and the process of the runner ends before %s expires",
    async ([, timeToLive, env, millis]) => {
      await using cluster = new Cluster()
      const runner = await cluster.start(timeToLive, env)
      const exit = await cluster.run((threads) =>
        Effect.flatMap(threads.spawn("Spin", { file: cluster.log }), Thread.await)
      )
      expect(Option.isSome(ForcedEnd.fromExit(exit))).toBe(true)
      expect(await runner.exit).toBe("SIGKILL")
      expect(runner.output()).toContain(`The event loop of this runner was blocked for ${millis} ms`)
      expect(cluster.events).toEqual(["spin"])
    }
  )

  it.for([
    ["killed", "SIGKILL"],
    ["frozen", "SIGSTOP"]
  ] as const)(
    "ends by its runner's escalation with the reason ParentEnded when the process of its client is %s",
    async ([, signal]) => {
      await using cluster = new Cluster()
      await cluster.start()
      const client = cluster.startClient(1000)
      await Effect.runPromise(cluster.whenLogged("acquire a"))
      client.kill(signal)
      await Effect.runPromise(cluster.whenLogged("release a"))
      expect(cluster.events).toEqual(["start a", "acquire a", "reason a ParentEnded", "release a"])
    }
  )

  it("starts once, and ends with a reason, when runners join and leave during 100 threads", async () => {
    await using cluster = new Cluster()
    const first = await cluster.start()
    const names = Array.from({ length: 100 }, (_, n) => `t${n}`)
    const messages = await cluster.run((threads) =>
      Effect.gen(function* () {
        const hold = (name: string) => threads.spawn("Hold", { file: cluster.log, name, releaseMillis: 50 })
        const held = yield* Effect.forEach(names, hold)
        yield* Effect.forEach(names, (name) => cluster.whenLogged(`acquire ${name}`))
        const second = yield* Effect.promise(() => cluster.start())
        // The second runner receives work when it has its shards.
        const isThere = Effect.flatMap(threads.spawn("Where"), Thread.join)
        yield* Effect.repeat(isThere, { until: (pid) => pid === second.process.pid })
        const asked = held.slice(0, names.length / 2)
        yield* Thread.interruptAll(asked, { reason: CancelReason.interrupted({ message: "enough" }) })
        first.process.kill("SIGTERM")
        const ends = yield* Effect.forEach(held, (thread) => Effect.map(Thread.await(thread), messageOf))
        const tallies = yield* Effect.forEach(held, Lease.tally)
        expect(tallies).toEqual(names.map(() => expect.objectContaining({ acquired: 1, released: 1, lost: 0 })))
        return ends
      })
    )
    const moved = "The thread's shard moves to another runner"
    expect(
      messages.filter((message) => ![moved, "enough", "The runner shuts down"].includes(message ?? "none"))
    ).toEqual([])
    expect(messages).toContain("The runner shuts down")
    for (const name of names) {
      const own = cluster.events.filter((event) => event.endsWith(` ${name}`))
      expect(own).toEqual([`start ${name}`, `acquire ${name}`, `release ${name}`])
    }
  })

  it("fails with NoRunner if no runner starts it, and never starts later", async () => {
    await using cluster = new Cluster()
    const exit = await cluster.run(
      (threads) =>
        Effect.gen(function* () {
          const thread = yield* threads.spawn("Hold", { file: cluster.log, name: "a", releaseMillis: 0 })
          const exit = yield* Thread.await(thread)
          const runner = yield* Effect.promise(() => cluster.start())
          // On the same engine, with more time for the start.
          const patient = yield* ClusterThreads.make(Tasks)
          expect(yield* Effect.flatMap(patient.spawn("Where"), Thread.join)).toBe(runner.process.pid)
          expect(yield* rows).toEqual(neverStarted("Hold"))
          return exit
        }),
      { startWithin: "300 millis" }
    )
    expect(exit).toEqual(Exit.fail(ClusterError.make({ _tag: "NoRunner", task: "Hold", millis: 300 })))
    expect(cluster.events).toEqual([])
  })
})
