/** Deadlines that a token in a worker reports before the timer of the host can run. */
import { Worker } from "node:worker_threads"
import { Deadline, Thread, ThreadGroup } from "@quiesce/core"
import { RpcProtocol, WorkerPool } from "@quiesce/worker-threads"
import { Effect, type Scope } from "effect"
import { RpcClient } from "effect/rpc"
import { describe, expect, it } from "vitest"
import { Tasks } from "./fixtures/deadlines.ts"

const url = new URL("./fixtures/deadlines.worker.ts", import.meta.url)
const rpc = new URL("./fixtures/deadlines-rpc.worker.ts", import.meta.url)
const makePool = WorkerPool.make(Tasks, { spawn: (options) => new Worker(url, options), size: 1 })
const run = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(effect))

const exceeded = (millis: number) => ({ _tag: "DeadlineExceeded", millis })

describe("Deadline.within around pool.execute", () => {
  for (const task of ["Poll", "PollLate", "Spin"] as const) {
    it(`fails with DeadlineExceeded every time: ${task}`, () =>
      run(
        Effect.gen(function* () {
          const pool = yield* makePool
          for (let millis = 5; millis < 35; millis++) {
            const error = yield* Effect.flip(Deadline.within(pool.execute(task, undefined), millis))
            expect(error).toMatchObject(exceeded(millis))
          }
        })
      ))
  }

  it("restores the stacks of later errors if it ends a section that makes an error without a stack", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const stacks = pool.execute("Stacks", undefined)
        const { frames } = yield* stacks
        let after = yield* stacks
        // On a busy machine, the deadline may pass before the section runs.
        for (let millis = 20; after.withoutStacks === 0; millis *= 2) {
          yield* Effect.flip(Deadline.within(pool.execute("SpinWithoutStacks", undefined), millis))
          after = yield* stacks
        }
        expect(frames).toBeGreaterThan(0)
        expect(after.frames).toBe(frames)
      })
    ))

  it("counts as a failure in a group that fails fast", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const group = yield* ThreadGroup.make<unknown>()
        const sibling = yield* ThreadGroup.spawn(group, Effect.never)
        yield* ThreadGroup.spawn(group, Deadline.within(pool.execute("Poll", undefined), 20))
        expect(yield* Effect.flip(ThreadGroup.joinAll(group))).toMatchObject(exceeded(20))
        expect(sibling.reason?._tag).toBe("SiblingFailed")
      })
    ))

  it("around a group fails with DeadlineExceeded, although only a member has noticed the deadline", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        for (let millis = 5; millis < 25; millis++) {
          const work = Effect.scoped(
            Effect.gen(function* () {
              const group = yield* ThreadGroup.make<unknown>()
              yield* ThreadGroup.spawn(group, pool.execute("Poll", undefined))
              yield* ThreadGroup.joinAll(group)
            })
          )
          expect(yield* Effect.flip(Deadline.within(work, millis))).toMatchObject({ _tag: "DeadlineExceeded" })
        }
      })
    ))

  it("around pool.spawn and Thread.join fails with DeadlineExceeded", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        const work = Effect.scoped(Effect.flatMap(pool.spawn("Poll", undefined), Thread.join))
        for (let i = 0; i < 20; i++) {
          expect(yield* Effect.flip(Deadline.within(work, 10))).toMatchObject(exceeded(10))
        }
      })
    ))
})

describe("Deadline.within in a handler", () => {
  it("fails with DeadlineExceeded every time", () =>
    run(
      Effect.gen(function* () {
        const pool = yield* makePool
        for (let millis = 0; millis < 20; millis++) {
          const error = yield* Effect.flip(pool.execute("PollWithin", { millis }))
          expect(error).toMatchObject(exceeded(millis))
        }
      })
    ))
})

describe("Deadline.within around a call of Effect's RpcClient", () => {
  it("fails with DeadlineExceeded every time", () =>
    RpcClient.make(Tasks).pipe(
      Effect.flatMap((client) =>
        Effect.gen(function* () {
          for (let millis = 5; millis < 25; millis++) {
            const error = yield* Effect.flip(Deadline.within(client.Poll(), millis))
            expect(error).toMatchObject(exceeded(millis))
          }
        })
      ),
      Effect.scoped,
      Effect.provide(RpcProtocol.layerClient({ spawn: (options) => new Worker(rpc, options), size: 1 })),
      Effect.runPromise
    ))
})
