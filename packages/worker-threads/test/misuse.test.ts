import { ThreadError } from "@quiesce/core"
import * as Workers from "@quiesce/worker-threads"
import { HostLease, LockError, SharedMutex, SharedSemaphore, WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { Cause, Context, Effect, Exit, Schema, type Scope, Stream } from "effect"
import { expect, it } from "vitest"
import { functionsOf, type Table, unhelpful } from "../../core/test/fixtures/hostile.ts"
import { Tasks } from "./fixtures/contract.ts"

const functions = new Map(Object.entries(Workers).flatMap(([name, module]) => [...functionsOf(name, module)]))

/** A pool with these options starts no worker before its first task. */
const options: WorkerPool.Options = { spawn: () => expect.unreachable(), size: { min: 0, max: 1 } }

class Pool extends Context.Service<Pool, WorkerPool.Of<typeof Tasks>>()("Pool") {}

const lease = HostLease.make({ name: "lease", payload: Schema.Void, success: Schema.Void })
const acquire = () => Effect.void
const mutex = SharedMutex.makeUnsafe()
const semaphore = SharedSemaphore.makeUnsafe({ permits: 1 })
const work = Effect.void
const module = new URL("./fixtures/identity.ts", import.meta.url)

const rows: Table = {
  "HostLease.acquire": [lease, undefined],
  "HostLease.answer": [lease, acquire],
  "HostLease.handler": [lease, acquire],
  "HostLease.make": [{ name: "lease", payload: Schema.Void, success: Schema.Void }],
  "HostLease.provide": [work, [HostLease.handler(lease, acquire)]],
  "HostLeases.awaitExit": [{ pid: 1, state: new Int32Array(new SharedArrayBuffer(64)) }],
  "HostLeases.handlers": [{}],
  "LockError.isLockError": [5],
  "LockError.make": [{ _tag: "NotRecoverable", lock: "lock" }],
  "ModuleUrl.of": ["./identity.ts", import.meta.url],
  "RpcProtocol.layerClient": [options],
  "SharedMutex.isSharedMutex": [mutex],
  "SharedMutex.lock": [mutex],
  "SharedMutex.lockSync": [mutex, { timeout: 1 }],
  "SharedMutex.make": [{}],
  "SharedMutex.makeUnsafe": [{}],
  "SharedMutex.status": [mutex],
  "SharedMutex.threadDied": [1_000_000],
  "SharedMutex.tryLock": [mutex],
  "SharedMutex.withLock": [mutex],
  "SharedSemaphore.isSharedSemaphore": [semaphore],
  "SharedSemaphore.make": [{ permits: 1 }],
  "SharedSemaphore.makeUnsafe": [{ permits: 1 }],
  "SharedSemaphore.status": [semaphore],
  "SharedSemaphore.take": [semaphore, 1],
  "SharedSemaphore.takeSync": [semaphore, 1, { timeout: 1 }],
  "SharedSemaphore.tryTake": [semaphore, 1],
  "SharedSemaphore.withPermits": [semaphore, 1],
  "Task.createTaskPool": [module, { size: { min: 0, max: 1 } }],
  "Task.runTask": [module, 1, {}],
  "ThreadWorker.main": [Tasks],
  "WorkerError.isWorkerError": [5],
  "WorkerError.make": [{ _tag: "PoolClosed" }],
  "WorkerPool.isWorkerPool": [5],
  "WorkerPool.layer": [Pool, Tasks, options],
  "WorkerPool.make": [Tasks, options]
}

/** `useWorker` would change the workers of other tests; Schemas are the functions of Effect. */
const others = [
  "Task.useWorker",
  "Schemas.LockError",
  "Schemas.WorkerError",
  "SharedMutex.SharedMutex",
  "SharedSemaphore.SharedSemaphore"
]

const isHelpful = (error: unknown, name: string): boolean =>
  WorkerError.isWorkerError(error) ||
  LockError.isLockError(error) ||
  ThreadError.isThreadError(error) ||
  (error instanceof TypeError && error.message.startsWith(`${name} got `))

it("each function accepts a wrong argument, or refuses it with an error of this package", async () => {
  for (const name of others) expect(functions.delete(name)).toBe(true)
  expect(await unhelpful(functions, rows, isHelpful)).toEqual([])
})

it("each method of a pool refuses a tag that is no string with a message that shows the tag", async () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const tags = new Map<unknown, string>([
    [Symbol("tag"), '"Symbol(tag)"'],
    [Object.create(null), '"{}"'],
    [proxy, "can't be shown"],
    [undefined, '"undefined"'],
    ["Nothing", '"Nothing"']
  ])
  const errors: Array<readonly [unknown, unknown]> = []
  const call = Effect.gen(function* () {
    const pool = yield* WorkerPool.make(Tasks, options)
    for (const tag of tags.keys()) {
      const it = [tag, undefined] as unknown as readonly [never, never]
      const run = Effect.tryPromise({ try: () => pool.run(...it), catch: (error) => error })
      const stream = Stream.runDrain(pool.stream(...it))
      for (const call of [pool.execute(...it), pool.spawn(...it), stream, pool.broadcast(...it), run]) {
        const exit = yield* Effect.exit<unknown, unknown, Scope.Scope>(call)
        errors.push([tag, Exit.isFailure(exit) ? Cause.squash(exit.cause) : exit])
      }
    }
  })
  await Effect.runPromise(Effect.scoped(call))
  expect(errors).toHaveLength(25)
  for (const [tag, error] of errors) {
    expect(error).toMatchObject({ reason: { _tag: "UnknownTask" } })
    expect((error as Error).message).toContain(tags.get(tag))
  }
})

it("each method of a pool refuses a signal in place of options", async () => {
  const { signal } = new AbortController()
  const messages: Array<string> = []
  const call = Effect.gen(function* () {
    const pool = yield* WorkerPool.make(Tasks, options)
    const it = ["Add", undefined, signal] as unknown as readonly [never, never, never]
    const run = Effect.tryPromise({ try: () => pool.run(...it), catch: (error) => error })
    for (const call of [pool.execute(...it), pool.spawn(...it), pool.broadcast(...it), run]) {
      const exit = yield* Effect.exit<unknown, unknown, Scope.Scope>(call)
      messages.push(Exit.isFailure(exit) ? (Cause.squash(exit.cause) as Error).message : "no failure")
    }
  })
  await Effect.runPromise(Effect.scoped(call))
  expect(messages).toEqual(
    Array(4).fill(expect.stringMatching(/^options: .* is not the options of a call, such as { signal }.$/))
  )
})
