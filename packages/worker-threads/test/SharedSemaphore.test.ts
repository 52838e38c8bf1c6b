import * as SharedMutex from "@quiesce/worker-threads/SharedMutex"
import * as SharedSemaphore from "@quiesce/worker-threads/SharedSemaphore"
import { WorkerError } from "@quiesce/worker-threads/WorkerError"
import { Cause, Effect, Exit, Fiber, Option, Schema } from "effect"
import { Worker } from "node:worker_threads"
import { once } from "node:events"
import { describe, expect, it } from "vitest"

const status = (semaphore: SharedSemaphore.SharedSemaphore): SharedSemaphore.Status =>
  Effect.runSync(SharedSemaphore.status(semaphore))

/** The reason of misuse, a defect. */
const tagOf = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  const defect = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isDieReason)?.defect : undefined
  return defect instanceof WorkerError ? defect.reason._tag : undefined
}

describe("make", () => {
  it.for([0, -1, 1.5, Number.NaN, 2 ** 31])("refuses %d permits", (permits) => {
    expect(tagOf(Effect.runSyncExit(SharedSemaphore.make({ permits })))).toBe("InvalidOption")
  })
})

describe("take", () => {
  it.for([0, -1, 1.5, 4])("refuses %d of 3 permits, and leaves no request behind", (permits) => {
    const semaphore = SharedSemaphore.makeUnsafe({ permits: 3 })
    expect(tagOf(Effect.runSyncExit(Effect.scoped(SharedSemaphore.take(semaphore, permits))))).toBe("InvalidOption")
    expect(() => SharedSemaphore.takeSync(semaphore, permits)).toThrow(/ask for 1 to 3/)
    expect(status(semaphore)).toEqual({ free: 3, held: 0, waiting: 0 })
  })

  it("for many permits is not overtaken by a later take for few", () =>
    Effect.gen(function* () {
      const semaphore = yield* SharedSemaphore.make({ permits: 3 })
      const holder = SharedSemaphore.takeSync(semaphore, 1)
      const many = Effect.runFork(SharedSemaphore.withPermits(semaphore, 3)(Effect.void))
      const few = Effect.runFork(SharedSemaphore.withPermits(semaphore)(Effect.void))
      expect(status(semaphore)).toEqual({ free: 2, held: 1, waiting: 2 })
      expect(yield* Effect.scoped(SharedSemaphore.tryTake(semaphore))).toEqual(Option.none())
      holder.release()
      yield* Fiber.join(many)
      yield* Fiber.join(few)
      expect(status(semaphore)).toEqual({ free: 3, held: 0, waiting: 0 })
    }).pipe(Effect.runPromise))
})

describe("takeSync", () => {
  it("refuses to wait only for permits of its own thread", () => {
    const semaphore = SharedSemaphore.makeUnsafe({ permits: 3 })
    const [one, two] = [SharedSemaphore.takeSync(semaphore), SharedSemaphore.takeSync(semaphore)]
    expect(() => SharedSemaphore.takeSync(semaphore, 2)).toThrow(/This thread holds/)
    one.release()
    SharedSemaphore.takeSync(semaphore, 2).release()
    two.release()
    expect(status(semaphore)).toEqual({ free: 3, held: 0, waiting: 0 })
  })
})

describe("SharedSemaphore", () => {
  it("is sent by its Schema, and is no mutex", () => {
    const semaphore = SharedSemaphore.makeUnsafe({ permits: 2, name: "slots" })
    expect(Schema.is(SharedSemaphore.SharedSemaphore)(structuredClone(semaphore))).toBe(true)
    expect(SharedMutex.isSharedMutex(semaphore)).toBe(false)
  })

  it("kill-is-visible: the permits of a dead thread are free again, and one request receives the report of the death", async () => {
    const semaphore = SharedSemaphore.makeUnsafe({ permits: 3 })
    const source = `
      import { parentPort, workerData } from "node:worker_threads"
      const { takeSync } = await import(${JSON.stringify(import.meta.resolve("@quiesce/worker-threads/SharedSemaphore"))})
      takeSync(workerData, 2)
      parentPort.on("message", () => {}).postMessage("taken")
    `
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: semaphore })
    const { threadId } = worker
    await once(worker, "message")
    const next = Effect.runFork(Effect.scoped(SharedSemaphore.take(semaphore, 2)))
    expect(status(semaphore)).toEqual({ free: 1, held: 1, waiting: 1 })
    await worker.terminate()
    await Effect.runPromise(SharedMutex.threadDied(threadId))
    await Effect.runPromise(SharedMutex.threadDied(threadId))
    expect(await Effect.runPromise(Fiber.join(next))).toEqual({ permits: 2, ownerDied: true })
    expect(SharedSemaphore.takeSync(semaphore, 3)).toMatchObject({ ownerDied: false })
  })
})
