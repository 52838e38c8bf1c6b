import { Thread } from "@quiesce/core"
import { type WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { Cause, Effect, Exit, Fiber, type Layer, type Scope, Stream } from "effect"
import { Headers } from "effect/http"
import { RpcClient, RpcMiddleware } from "effect/rpc"
import { Worker } from "node:worker_threads"
import { assert, describe, it } from "vitest"
import { Authorisation, Denied, Guarded, makeWords, NoToken, Word } from "./fixtures/guarded.ts"
import { whenSet } from "./support.ts"

const fixture = (name: string) => new URL(`./fixtures/${name}.worker.ts`, import.meta.url)

const poolOf = (worker: string) =>
  WorkerPool.make(Guarded, { spawn: (options) => new Worker(fixture(worker), options), size: 1 })

const pool = poolOf("guarded")

/** Sets the header `user`, or refuses to send if there is no user. */
const login = (user: string | undefined) =>
  RpcMiddleware.layerClient(Authorisation, ({ next, request }) =>
    user === undefined
      ? Effect.fail(new NoToken())
      : next({ ...request, headers: Headers.set(request.headers, "user", user) })
  )

/** Runs a test with client middleware and a scope. */
const withClient =
  (
    client: Layer.Layer<RpcMiddleware.ForClient<Authorisation>>,
    test: () => Effect.Effect<void, unknown, RpcMiddleware.ForClient<Authorisation> | Scope.Scope>
  ) =>
  (): Promise<void> =>
    Effect.runPromise(Effect.scoped(Effect.provide(Effect.suspend(test), client)))

const users = { accepted: login("ada"), denied: login("eve"), absent: login(undefined) }

type Pool = Effect.Success<typeof pool>

/** Each way to call a task, with the value or the error of the call. */
const calls: ReadonlyArray<
  readonly [string, (made: Pool, cells: Int32Array<SharedArrayBuffer>) => Effect.Effect<unknown, unknown>]
> = [
  ["execute", (made, cells) => made.execute("Greet", { cells })],
  ["spawn", (made, cells) => Effect.scoped(Effect.flatMap(made.spawn("Greet", { cells }), Thread.join))],
  ["run", (made, cells) => Effect.tryPromise({ try: () => made.run("Greet", { cells }), catch: (error) => error })],
  ["stream", (made, cells) => Effect.map(Stream.runCollect(made.stream("List", { cells })), (all) => all.join(" "))]
]

describe("a contract with middleware", () => {
  it(
    "is denied by its authorisation: execute, spawn, run, stream",
    withClient(
      users.denied,
      Effect.fnUntraced(function* () {
        const made = yield* pool
        for (const [name, call] of calls) {
          const cells = makeWords()
          assert.deepStrictEqual(yield* Effect.flip(call(made, cells)), new Denied({ user: "eve" }), name)
          assert.strictEqual(Atomics.load(cells, Word.handled), 0, name)
          assert.strictEqual(Atomics.load(cells, Word.counted), 0, name)
        }
      })
    )
  )

  it(
    "receives the services of its authorisation: execute, spawn, run, stream",
    withClient(
      users.accepted,
      Effect.fnUntraced(function* () {
        const made = yield* pool
        for (const [name, call] of calls) {
          const cells = makeWords()
          assert.strictEqual(yield* call(made, cells), "hello ada", name)
          assert.strictEqual(Atomics.load(cells, Word.counted), 1, name)
          assert.strictEqual(Atomics.load(cells, Word.released), 1, name)
        }
      })
    )
  )

  it(
    "is not sent if its client middleware refuses: execute, spawn, run, stream",
    withClient(
      users.absent,
      Effect.fnUntraced(function* () {
        const made = yield* pool
        for (const [name, call] of calls) {
          const cells = makeWords()
          assert.deepStrictEqual(yield* Effect.flip(call(made, cells)), new NoToken(), name)
          assert.strictEqual(Atomics.load(cells, Word.handled), 0, name)
          assert.strictEqual((yield* made.status).running, 0, name)
        }
      })
    )
  )

  it(
    "sends the headers of the caller, and client middleware may change them",
    withClient(
      RpcMiddleware.layerClient(Authorisation, ({ next, request }) => next(request)),
      Effect.fnUntraced(function* () {
        const made = yield* pool
        const cells = makeWords()
        const greet = made.execute("Greet", { cells }).pipe(RpcClient.withHeaders({ user: "eve" }))
        assert.deepStrictEqual(yield* Effect.flip(greet), new Denied({ user: "eve" }))
      })
    )
  )

  it(
    "closes the scopes of its middleware when the task is interrupted",
    withClient(
      users.accepted,
      Effect.fnUntraced(function* () {
        const made = yield* pool
        const cells = makeWords()
        const thread = yield* made.spawn("Wait", { cells })
        yield* whenSet(cells, Word.waits)
        yield* Thread.interrupt(thread)
        assert.strictEqual(Atomics.load(cells, Word.released), 1)
      })
    )
  )

  it(
    "includes the failure of a release in the Cause of an interrupted execute, beside the interruption",
    withClient(
      users.accepted,
      Effect.fnUntraced(function* () {
        const made = yield* pool
        const cells = makeWords()
        const fiber = yield* Effect.forkChild(made.execute("WaitInVain", { cells }), { startImmediately: true })
        yield* whenSet(cells, Word.waits)
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        assert.deepStrictEqual(Exit.isFailure(exit) ? exit.cause.reasons.map(({ _tag }) => _tag) : [], [
          "Interrupt",
          "Die"
        ])
      })
    )
  )

  it(
    "dies if client middleware succeeds without sending",
    withClient(
      RpcMiddleware.layerClient(Authorisation, () => Effect.void as never),
      Effect.fnUntraced(function* () {
        const made = yield* pool
        const exit = yield* Effect.exit(made.execute("Greet", { cells: makeWords() }))
        assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "succeeded without sending the request")
      })
    )
  )
})

describe("a contract whose middleware is not provided", () => {
  it(
    "is refused by WorkerPool.make if the worker lacks it",
    withClient(
      users.accepted,
      Effect.fnUntraced(function* () {
        const error = yield* Effect.flip(poolOf("unguarded"))
        assert.strictEqual(error.reason._tag, "SpawnFailed")
        assert.include(error.message, `"test/Counting", which the worker's layer does not provide`)
      })
    )
  )

  it("is refused by WorkerPool.make if the host lacks required client middleware", () => {
    // @ts-expect-error the client middleware is not provided
    const unprovided: Effect.Effect<Pool, WorkerError.WorkerError, Scope.Scope> = pool
    return Effect.runPromise(
      Effect.map(Effect.flip(Effect.scoped(unprovided)), (error) => {
        assert.strictEqual(error.reason._tag, "InvalidOption")
        assert.include(error.message, `"Greet" requires the client middleware "test/Authorisation"`)
      })
    )
  })
})
