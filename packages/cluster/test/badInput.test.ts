/**
 * Mistakes in a program, in a store and between programs of different versions. Each causes an error that names the
 * mistake.
 */
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ClusterError, ClusterLease, ClusterRunner, ClusterStore, ClusterThreads } from "@quiesce/cluster"
import { Thread } from "@quiesce/core"
import { Effect, Exit, Layer, Option, Schema } from "effect"
import { RunnerAddress, ShardingConfig } from "effect/cluster"
import { Rpc, RpcGroup } from "effect/rpc"
import { SqlClient } from "effect/sql/SqlClient"
import { afterAll, describe, expect, it } from "vitest"
import * as SqliteClient from "../src/internal/store/sqliteClient.ts"
import { folders } from "./fixtures/leaseTasks.ts"

const root = mkdtempSync(join(tmpdir(), "quiesce-input-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

class Tasks extends RpcGroup.make(
  Rpc.make("Add", { payload: { a: Schema.Number }, success: Schema.Number }),
  Rpc.make("Wrong", { success: Schema.Number }),
  Rpc.make("WrongError", { error: Schema.Number }),
  Rpc.make("Unreadable")
) {}

const unexpected: unknown = new RangeError("the disk is full")

const unreadable = Object.defineProperty(new TypeError("a"), "message", {
  get: () => {
    throw new Error("the message throws")
  }
})

const handlers = Tasks.toLayer({
  Add: ({ a }) => Effect.succeed(a + 1),
  // The compiler would refuse this value, which may come from outside.
  Wrong: () => Effect.succeed(JSON.parse('"text"')),
  WrongError: () => Effect.fail(unexpected as never),
  Unreadable: () => Effect.die(unreadable)
})

/** The same program after a change of the task, with one more task. */
class Newer extends RpcGroup.make(
  Rpc.make("Add", { payload: { a: Schema.String }, success: Schema.Number }),
  Rpc.make("Extra", { success: Schema.Number })
) {}

class Streams extends RpcGroup.make(Rpc.make("Lines", { success: Schema.String, stream: true })) {}

const store = ClusterStore.sqlite({ filename: ":memory:" }).pipe(Layer.fresh)

const cluster = ClusterRunner.embedded(Tasks).pipe(Layer.provide(handlers), Layer.provideMerge(store))

const engine = ClusterRunner.client({ sharding: { runnerAddress: Option.none() } }).pipe(Layer.provideMerge(store))

type Services = Layer.Success<typeof cluster>

const runner = <A, E>(program: Effect.Effect<A, E, Services | import("effect").Scope.Scope>): Promise<A> =>
  Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(cluster)))

const failure = (reason: object) => Exit.fail(expect.objectContaining({ _tag: "ClusterError", reason }))

/** The defect of a program, as text. */
const defectOf = async <A, E>(program: Effect.Effect<A, E>): Promise<string> => {
  const exit = await Effect.runPromiseExit(program)
  return Exit.isFailure(exit) ? String(exit.cause) : "succeeded"
}

describe("a thread fails", () => {
  it("at once if its payload does not fit the Schema", () =>
    runner(
      Effect.gen(function* () {
        const threads = yield* ClusterThreads.make(Tasks)
        const payload: { readonly a: number } = JSON.parse('{ "a": "text" }')
        const exit = yield* Effect.exit(threads.spawn("Add", payload))
        expect(exit).toEqual(failure(expect.objectContaining({ _tag: "NotSendable", task: "Add" })))
      })
    ))

  it("if its runner, of another version, can't decode the payload, and never starts", () =>
    runner(
      Effect.gen(function* () {
        const threads = yield* ClusterThreads.make(Newer)
        const thread = yield* threads.spawn("Add", { a: "text" })
        const exit = yield* Thread.await(thread)
        expect(exit).toEqual(failure(expect.objectContaining({ _tag: "NotSendable", task: "Add" })))
        const sql = yield* SqlClient
        expect(yield* sql`SELECT state FROM quiesce_threads`).toEqual([{ state: "cancelled" }])
      })
    ))

  it("if its runner has no handler for the task, and never starts", () =>
    runner(
      Effect.gen(function* () {
        const threads = yield* ClusterThreads.make(Newer)
        const exit = yield* Effect.flatMap(threads.spawn("Extra"), Thread.await)
        expect(exit).toEqual(failure(expect.objectContaining({ _tag: "UnknownTask", task: "Extra" })))
        const sql = yield* SqlClient
        expect(yield* sql`SELECT state FROM quiesce_threads`).toEqual([{ state: "cancelled" }])
      })
    ))

  it("by a defect if its result does not fit the Schema", () =>
    runner(
      Effect.gen(function* () {
        const threads = yield* ClusterThreads.make(Tasks)
        const exit = yield* Effect.flatMap(threads.spawn("Wrong"), Thread.await)
        expect(String(Exit.isFailure(exit) && exit.cause)).toContain('A value of the task "Wrong" can\'t be sent')
      })
    ))

  it("by a defect with the name and the message of an error outside its Schema, and with the Schema's problem", () =>
    runner(
      Effect.gen(function* () {
        const threads = yield* ClusterThreads.make(Tasks)
        const exit = yield* Effect.flatMap(threads.spawn("WrongError"), Thread.await)
        const problem = expect.stringContaining('A value of the task "WrongError" can\'t be sent: Expected number')
        expect(Exit.isFailure(exit) && exit.cause.reasons).toMatchObject([
          { _tag: "Die", defect: { name: "RangeError", message: "the disk is full" } },
          { _tag: "Die", defect: { message: problem } }
        ])
      })
    ))

  it("by an error with a text if its defect can't be read", () =>
    runner(
      Effect.gen(function* () {
        const threads = yield* ClusterThreads.make(Tasks)
        const exit = yield* Effect.flatMap(threads.spawn("Unreadable"), Thread.await)
        expect(Exit.isFailure(exit) && exit.cause.reasons).toMatchObject([
          { _tag: "Die", defect: { message: "TypeError" } }
        ])
      })
    ))
})

const opening = (filename: string) =>
  Effect.runPromiseExit(Effect.provide(Effect.void, ClusterStore.sqlite({ filename })))

describe("a store is refused", () => {
  it("if another version of the package made it", async () => {
    const filename = join(root, "newer.db")
    const renumber = Effect.flatMap(SqlClient, (sql) => sql`UPDATE quiesce_meta SET version = 99`)
    await Effect.runPromise(Effect.provide(renumber, ClusterStore.sqlite({ filename })))
    expect(await opening(filename)).toEqual(failure({ _tag: "WrongVersion", found: 99, expected: expect.any(Number) }))
  })

  it("if its file is no database, or its folder is missing", async () => {
    const filename = join(root, "text.db")
    writeFileSync(filename, "This is a text, and no database. ".repeat(100))
    const unavailable = failure(expect.objectContaining({ _tag: "StoreUnavailable" }))
    expect(await opening(filename)).toEqual(unavailable)
    expect(await opening(join(root, "missing", "threads.db"))).toEqual(unavailable)
  })

  it("if its file has no name, because each process would have a database of its own", async () => {
    const exit = await opening("")
    expect(String(Exit.isFailure(exit) && exit.cause)).toContain(
      'The option filename can\'t be used: "" is not the name of a file'
    )
  })

  it("if a table of the program has the name of one of its tables", async () => {
    const filename = join(root, "taken.db")
    const taken = Effect.flatMap(SqlClient, (sql) => sql`CREATE TABLE quiesce_threads (line TEXT)`)
    await Effect.runPromise(Effect.provide(taken, SqliteClient.layer(filename)))
    expect(await opening(filename)).toEqual(failure(expect.objectContaining({ _tag: "StoreUnavailable" })))
  })
})

const making = (options: ClusterThreads.Options) =>
  Effect.scoped(ClusterThreads.make(Tasks, options)).pipe(Effect.provide(engine))
const running = (options: ClusterRunner.Options) =>
  Effect.scoped(Layer.build(Layer.provide(ClusterRunner.embedded(Tasks, options), Layer.merge(handlers, store))))

describe("an option is refused by name", () => {
  it("of a client", async () => {
    expect(await defectOf(making({ startWithin: 0 }))).toContain("The option startWithin can't be used")
    expect(await defectOf(making({ timeToLive: Number.NaN }))).toContain("The option timeToLive can't be used")
    expect(await defectOf(making({ escalation: { kill: -1 } }))).toContain("The option escalation can't be used")
    const streams = Effect.scoped(ClusterThreads.make(Streams)).pipe(Effect.provide(engine))
    expect(await defectOf(streams)).toContain('the task "Lines" gives a stream')
  })

  it("of a thread", () =>
    runner(
      Effect.gen(function* () {
        const threads = yield* ClusterThreads.make(Tasks)
        const other: ClusterThreads.SpawnOptions = JSON.parse('{ "onLoss": "again" }')
        const exit = yield* Effect.exit(threads.spawn("Add", { a: 1 }, other))
        expect(String(Exit.isFailure(exit) && exit.cause)).toContain('onLoss can\'t be used: it is "again"')
        const wrong: ClusterThreads.SpawnOptions = { onLoss: 10n as never }
        const big = yield* Effect.exit(threads.spawn("Add", { a: 1 }, wrong))
        expect(String(Exit.isFailure(big) && big.cause)).toContain("onLoss can't be used: it is 10n")
        const none = yield* Effect.exit(threads.spawn("Add", { a: 1 }, null as never))
        expect(String(Exit.isFailure(none) && none.cause)).toContain(
          "spawn's options can't be used: null is not an object"
        )
        const noText = yield* Effect.exit(threads.spawn(10n as never, { a: 1 } as never))
        expect(String(Exit.isFailure(noText) && noText.cause)).toContain("the group has no task 10n")
        const name: "Add" = JSON.parse('"Missing"')
        const missing = yield* Effect.exit(threads.spawn(name, { a: 1 }))
        expect(String(Exit.isFailure(missing) && missing.cause)).toContain('the group has no task "Missing"')
      })
    ))

  it("of a runner", async () => {
    expect(await defectOf(running({ timeToLive: 0 }))).toContain("The option timeToLive can't be used")
    expect(await defectOf(running({ escalation: { stop: Number.NaN } }))).toContain(
      "The option escalation can't be used"
    )
    expect(await defectOf(running({ keepers: [folders, folders] }))).toContain('two keepers are for the lease "Folder"')
    for (const keepers of [{}, 5]) {
      expect(await defectOf(running({ keepers: keepers as never }))).toMatch(
        /The option keepers can't be used: .* is not an array of keepers/
      )
    }
    for (const keeper of [null, undefined, {}]) {
      expect(await defectOf(running({ keepers: [keeper as never] }))).toMatch(
        /The option keepers can't be used: .* is not a keeper\. Make one with ClusterLease\.keeper/
      )
    }
    const nowhere = { sharding: { runnerAddress: Option.none() } }
    expect(await defectOf(running(nowhere))).toContain("a runner without an address gets no threads")
  })
})

const listensAt = (host: string, port: number) => {
  const runnerAddress = Option.some(RunnerAddress.make(host, port))
  const runner = ClusterRunner.layer(Tasks, { sharding: { runnerAddress } })
  return Effect.runPromise(Effect.flip(Effect.scoped(Layer.build(Layer.provide(runner, Layer.merge(handlers, store))))))
}

it("a runner whose port is taken, or whose host is no host of this machine, fails and names its address", async () => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  // A server that listens on a port has an address of this form.
  const { port } = server.address() as AddressInfo
  try {
    const taken = await listensAt("127.0.0.1", port)
    expect(taken).toMatchObject({ reason: { _tag: "NotListening", address: `127.0.0.1:${port}` } })
    expect(taken.message).toMatch(
      /^The runner can't listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*\. Probably another runner/
    )
    // An address for documentation, which no machine has (RFC 5737).
    expect((await listensAt("192.0.2.1", port)).message).toMatch(/can't listen on 192\.0\.2\.1:\d+: .*EADDRNOTAVAIL/)
  } finally {
    server.close()
  }
})

it("a lease without a keeper is refused by name", async () => {
  const Other = ClusterLease.make("Other", { payload: Schema.String, value: Schema.String })
  class Leasing extends RpcGroup.make(Rpc.make("Take", {})) {}
  const taking = Leasing.toLayer({
    Take: () => Effect.asVoid(Effect.orDie(Effect.scoped(ClusterLease.acquire(Other, "a"))))
  })
  const exit = await Effect.gen(function* () {
    const threads = yield* ClusterThreads.make(Leasing)
    return yield* Effect.flatMap(threads.spawn("Take"), Thread.await)
  }).pipe(
    Effect.scoped,
    Effect.provide(ClusterRunner.embedded(Leasing).pipe(Layer.provide(taking), Layer.provideMerge(store))),
    Effect.runPromise
  )
  const message = ClusterError.make({ _tag: "NoKeeper", lease: "Other" }).message
  expect(String(Exit.isFailure(exit) && exit.cause)).toContain(message)
})

it("a second group on one engine is refused by name, because the engine would run none of its threads", async () => {
  const others = Newer.toLayer({ Add: () => Effect.succeed(1), Extra: () => Effect.succeed(2) })
  const second = ClusterRunner.layerOn(Newer).pipe(
    Layer.provide(others),
    Layer.provide(cluster),
    Layer.provide(ShardingConfig.layer())
  )
  expect(await defectOf(Effect.scoped(Layer.build(second)))).toContain("runs the threads of another group already")
  // The engine has no group again.
  await runner(Effect.flatMap(ClusterThreads.make(Tasks), (threads) => threads.spawn("Add", { a: 1 })))
})
