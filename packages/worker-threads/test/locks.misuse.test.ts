/** Misuse of locks is a defect that names the remedy. Only conditions that a correct program must expect are errors. */
import { threadId } from "node:worker_threads"
import { LockError, Schemas, SharedMutex, SharedSemaphore, WorkerError } from "@quiesce/worker-threads"
import { Cause, Effect, Exit, Schema } from "effect"
import { describe, expect, expectTypeOf, it } from "vitest"

/** The `WorkerError` that an effect dies with. */
const misuseOf = (effect: Effect.Effect<unknown, unknown>): WorkerError.WorkerError => {
  const exit = Effect.runSyncExit(effect)
  const [reason, ...others] = Exit.isFailure(exit) ? exit.cause.reasons : []
  expect(others).toEqual([])
  if (reason === undefined || !Cause.isDieReason(reason) || !WorkerError.isWorkerError(reason.defect))
    throw new Error(`No misuse: ${String(exit)}`)
  return reason.defect
}

const thrownBy = (f: () => unknown): unknown => {
  try {
    return f()
  } catch (error) {
    return error
  }
}

const mutex = SharedMutex.makeUnsafe()
const semaphore = SharedSemaphore.makeUnsafe({ permits: 2 })

/** Values that a user without types could pass in place of a lock. */
const noLocks: ReadonlyArray<unknown> = [
  undefined,
  null,
  "index",
  {},
  { name: "index", buffer: mutex.buffer },
  Object.assign(structuredClone(mutex), { buffer: new SharedArrayBuffer(8) }),
  Object.assign(structuredClone(semaphore), { buffer: new SharedArrayBuffer(8) })
]

describe("a value that is no lock, or a lock of the other kind", () => {
  it("is a defect of each function of SharedMutex", () => {
    for (const given of [...noLocks, semaphore] as ReadonlyArray<SharedMutex.SharedMutex>) {
      const effects = [
        Effect.scoped(SharedMutex.lock(given)),
        Effect.scoped(SharedMutex.tryLock(given)),
        SharedMutex.withLock(given)(Effect.void),
        SharedMutex.status(given),
        Effect.sync(() => SharedMutex.lockSync(given))
      ]
      for (const effect of effects) expect(misuseOf(effect).message).toContain("make one with SharedMutex.make")
    }
  })

  it("is a defect of each function of SharedSemaphore", () => {
    for (const given of [...noLocks, mutex] as ReadonlyArray<SharedSemaphore.SharedSemaphore>) {
      const effects = [
        Effect.scoped(SharedSemaphore.take(given)),
        Effect.scoped(SharedSemaphore.tryTake(given)),
        SharedSemaphore.withPermits(given)(Effect.void),
        SharedSemaphore.status(given),
        Effect.sync(() => SharedSemaphore.takeSync(given))
      ]
      for (const effect of effects) expect(misuseOf(effect).message).toContain("make one with SharedSemaphore.make")
    }
  })
})

describe("a wrong argument", () => {
  it("of a constructor is a defect", () => {
    const make = SharedSemaphore.make as (options: unknown) => Effect.Effect<unknown>
    for (const options of [undefined, {}, { permits: 0 }, { permits: "2" }, { permits: 2, name: 7 }])
      expect(misuseOf(Effect.suspend(() => make(options))).reason._tag).toBe("InvalidOption")
    expect(misuseOf(SharedMutex.make({ name: 7 as never })).message).toContain("SharedMutex.make's name")
  })

  it("of take, such as more permits than the semaphore has, is a defect and leaves no request behind", () => {
    for (const permits of [0, -1, 1.5, 3, "1" as never, Symbol("one") as never]) {
      expect(misuseOf(Effect.scoped(SharedSemaphore.take(semaphore, permits))).message).toContain("ask for 1 to 2")
      expect(misuseOf(Effect.scoped(SharedSemaphore.tryTake(semaphore, permits))).reason._tag).toBe("InvalidOption")
      expect(misuseOf(SharedSemaphore.withPermits(semaphore, permits)(Effect.void)).reason._tag).toBe("InvalidOption")
    }
    expect(Effect.runSync(SharedSemaphore.status(semaphore))).toEqual({ free: 2, held: 0, waiting: 0 })
  })

  it("of withLock is a defect before the lock is acquired", () => {
    const recover = (() => Effect.void) as never
    expect(misuseOf(SharedMutex.withLock(mutex, { recover })(Effect.void)).message).toContain("withLock's recover")
    expect(Effect.runSync(SharedMutex.status(mutex))).toMatchObject({ free: 1, unusable: false })
  })

  it("of threadDied is a defect, such as the number of an ended Worker or of the calling thread", () => {
    for (const given of [-1, 1.5, Number.NaN, "7" as never, undefined as never, threadId])
      expect(misuseOf(SharedMutex.threadDied(given)).message).toContain("threadDied's threadId")
  })
})

describe("a guard", () => {
  it("that is declared consistent after its release is misuse, and changes nothing", () => {
    const kept = Effect.runSync(Effect.scoped(SharedMutex.lock(mutex)))
    expect(misuseOf(kept.markConsistent).reason).toEqual({ _tag: "NotHeld", lock: "SharedMutex" })
    const guard = SharedMutex.lockSync(mutex)
    guard.markConsistent()
    guard.release()
    guard.release()
    expect(thrownBy(() => guard.markConsistent())).toMatchObject({ reason: { _tag: "NotHeld" } })
    expect(Effect.runSync(SharedMutex.status(mutex))).toEqual({ free: 1, held: 0, waiting: 0, unusable: false })
  })

  it("that would wait for its own thread is misuse", () => {
    const guard = SharedMutex.lockSync(mutex)
    expect(thrownBy(() => SharedMutex.lockSync(mutex))).toMatchObject({ reason: { _tag: "WouldBlockForever" } })
    guard.release()
  })
})

describe("LockError", () => {
  const all: ReadonlyArray<LockError.LockErrorReason> = [
    { _tag: "OwnerDied", lock: "index", threadId: 7 },
    { _tag: "LockUnusable", lock: "index", threadId: 7 },
    { _tag: "LockUnusable", lock: "index", threadId: -1 },
    { _tag: "LockTimedOut", lock: "index", millis: 50 },
    { _tag: "LockFull", lock: "index", problem: "64 threads use it already" }
  ]

  it("is the one error of locks", () => {
    expectTypeOf(SharedMutex.withLock(mutex)(Effect.void)).toEqualTypeOf<Effect.Effect<void, LockError.LockError>>()
    expectTypeOf(SharedSemaphore.withPermits(semaphore)(Effect.void)).toEqualTypeOf<
      Effect.Effect<void, LockError.LockError>
    >()
    expectTypeOf(SharedMutex.status(mutex)).toEqualTypeOf<Effect.Effect<SharedMutex.Status>>()
    expectTypeOf(SharedSemaphore.make({ permits: 1 })).toEqualTypeOf<Effect.Effect<SharedSemaphore.SharedSemaphore>>()
  })

  it("survives JSON, each kind, with a message that names the lock", () => {
    for (const reason of all) {
      const error = LockError.make(reason)
      const json = JSON.stringify(Schema.encodeSync(Schemas.LockError)(error))
      const decoded = Schema.decodeUnknownSync(Schemas.LockError)(JSON.parse(json))
      expect(LockError.isLockError(decoded)).toBe(true)
      expect(decoded.reason).toEqual(reason)
      expect(decoded.message).toContain('"index"')
      expect(JSON.parse(JSON.stringify(error.toJSON()))).toMatchObject({ _tag: "LockError", reason })
    }
    expect([undefined, new Error("no"), { _tag: "LockError" }].filter(LockError.isLockError)).toEqual([])
  })

  it("can be caught by its tag", () => {
    const failing = Effect.fail(LockError.make(all[0]!))
    const caught = Effect.catchTag(failing, "LockError", ({ reason }) => Effect.succeed(reason._tag))
    expect(Effect.runSync(caught)).toBe("OwnerDied")
  })
})
