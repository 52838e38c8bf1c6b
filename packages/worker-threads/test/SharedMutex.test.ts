import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Lease, StopToken } from "@quiesce/core"
import * as SharedMutex from "@quiesce/worker-threads/SharedMutex"
import { LockError } from "@quiesce/worker-threads/LockError"
import { WorkerError } from "@quiesce/worker-threads/WorkerError"
import { Effect, Exit, Fiber, Option, Schema, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { Harness } from "./fixtures/shared-harness.ts"
import * as Memory from "../src/internal/locks/memory.ts"
import * as Registry from "../src/internal/locks/registry.ts"
import * as State from "../src/internal/locks/state.ts"
import { killedAtRandom, scenarios } from "./SharedMutex.scenarios.ts"
import { noOlderNode, olderNode } from "./olderNode.ts"

const free = { free: 1, held: 0, waiting: 0, unusable: false }
const status = (mutex: SharedMutex.SharedMutex): SharedMutex.Status => Effect.runSync(SharedMutex.status(mutex))

const reasonOf = (f: () => unknown): unknown => {
  try {
    return f()
  } catch (error) {
    return error instanceof WorkerError || error instanceof LockError ? error.reason._tag : error
  }
}

describe("across threads", () => {
  it.for(Object.keys(scenarios))("SharedMutex %s", (name) => scenarios[name]!())

  it("kill-is-visible: workers that are killed at any point neither break nor keep the lock", () => {
    const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000)
    console.info(`SEED=${seed}`)
    return killedAtRandom(8, seed)
  })

  const script = fileURLToPath(new URL("./fixtures/shared-main.ts", import.meta.url))
  it.for(["node-22", "node-24"])("works on %s, and the process ends by itself", async (version, { skip }) => {
    const binary = olderNode(version)
    if (binary === undefined) return skip(noOlderNode)
    const { stdout } = await promisify(execFile)(binary, [script, "3"])
    expect(JSON.parse(stdout)).toEqual({ done: Object.keys(scenarios).length, rounds: 3 })
  })

  it("a process that waits for a lock stays alive until its fiber has the lock, and then ends", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      fileURLToPath(new URL("./fixtures/shared-wait.ts", import.meta.url))
    ])
    expect(stdout).toBe("locked after the worker's end\n")
  })
})

describe("lock", () => {
  it("is a lease of the scope, with the name of the mutex", () =>
    Effect.gen(function* () {
      const mutex = yield* SharedMutex.make({ name: "index" })
      const scope = yield* Scope.make()
      const guard = yield* Scope.provide(SharedMutex.lock(mutex), scope)
      expect(guard.ownerDied).toBe(false)
      expect((yield* Lease.held).map((held) => held.name)).toEqual(["index"])
      expect(status(mutex)).toEqual({ ...free, free: 0, held: 1 })
      yield* Scope.close(scope, Exit.void)
      yield* Scope.close(scope, Exit.void)
      expect(status(mutex)).toEqual(free)
      expect(yield* Lease.held).toEqual([])
    }).pipe(Effect.runPromise))

  it("did-not-happen: a request that is cancelled between the grant and the answer passes the lock on", () =>
    Effect.gen(function* () {
      const mutex = yield* SharedMutex.make()
      const holder = SharedMutex.lockSync(mutex)
      const lock = Effect.scoped(SharedMutex.lock(mutex))
      const [first, second] = [Effect.runFork(lock), Effect.runFork(lock)]
      holder.release()
      // The lock belongs to the first fiber now, but that fiber has not run since.
      expect(status(mutex)).toEqual({ ...free, free: 0, held: 1, waiting: 1 })
      first.interruptUnsafe()
      expect(Exit.hasInterrupts(yield* Fiber.await(first))).toBe(true)
      expect((yield* Fiber.join(second)).ownerDied).toBe(false)
      expect(status(mutex)).toEqual(free)
    }).pipe(Effect.runPromise))

  it("is released when the work fails, dies or is interrupted", () =>
    Effect.gen(function* () {
      const mutex = yield* SharedMutex.make()
      for (const work of [Effect.fail("no"), Effect.die("no"), Effect.interrupt]) {
        yield* Effect.exit(SharedMutex.withLock(mutex)(work))
        expect(status(mutex)).toEqual(free)
      }
    }).pipe(Effect.runPromise))

  it("fails with LockFull at 128 requests, and accepts more when those are gone", () =>
    Effect.gen(function* () {
      const mutex = yield* SharedMutex.make()
      const holder = SharedMutex.lockSync(mutex)
      const fibers = Array.from({ length: 127 }, () => Effect.runFork(Effect.scoped(SharedMutex.lock(mutex))))
      const error = yield* Effect.flip(Effect.scoped(SharedMutex.lock(mutex)))
      expect(error.reason._tag).toBe("LockFull")
      holder.release()
      yield* Effect.forEach(fibers, Fiber.join)
      expect(status(mutex)).toEqual(free)
    }).pipe(Effect.runPromise))
})

describe("tryLock", () => {
  it("returns none while the lock is held, and leaves no request behind", () =>
    Effect.gen(function* () {
      const mutex = yield* SharedMutex.make()
      const attempt = Effect.scoped(Effect.map(SharedMutex.tryLock(mutex), Option.isSome))
      expect(yield* attempt).toBe(true)
      expect(yield* SharedMutex.withLock(mutex)(attempt)).toBe(false)
      expect(status(mutex)).toEqual(free)
    }).pipe(Effect.runPromise))
})

describe("lockSync", () => {
  it("refuses to wait for a lock that its own thread holds or is about to receive", () => {
    const mutex = SharedMutex.makeUnsafe()
    const guard = SharedMutex.lockSync(mutex)
    expect(reasonOf(() => SharedMutex.lockSync(mutex))).toBe("WouldBlockForever")
    expect(status(mutex)).toEqual({ ...free, free: 0, held: 1 })
    guard.release()
    guard.release()
    expect(status(mutex)).toEqual(free)
  })

  it("refuses a timeout that is not a duration, and a buffer that is not a lock", () => {
    const mutex = SharedMutex.makeUnsafe()
    for (const timeout of [Number.NaN, -1]) {
      expect(reasonOf(() => SharedMutex.lockSync(mutex, { timeout }))).toBe("InvalidOption")
    }
    const other = Object.assign(structuredClone(mutex), { buffer: new SharedArrayBuffer(8) })
    expect(SharedMutex.isSharedMutex(other)).toBe(false)
    expect(reasonOf(() => SharedMutex.lockSync(other))).toBe("InvalidOption")
    expect(status(mutex)).toEqual(free)
  })

  it("ends by its timeout or its token, and withdraws the request", async () => {
    const harness = new Harness()
    const peer = await harness.spawn()
    peer.asksForLock("sync")
    await peer.hasLock({ ownerDied: false })
    const { mutex } = harness
    expect(reasonOf(() => SharedMutex.lockSync(mutex, { timeout: 5 }))).toBe("LockTimedOut")
    const token = StopToken.fromSignal(AbortSignal.abort(new Error("enough")))
    expect(reasonOf(() => SharedMutex.lockSync(mutex, { token }))).toMatchObject({ name: "AbortError" })
    expect(status(mutex)).toEqual({ ...free, free: 0, held: 1 })
    await peer.dies()
  })
})

describe("SharedMutex", () => {
  it("is sent to other threads as it is, and by its Schema", () => {
    const mutex = SharedMutex.makeUnsafe({ name: "sent" })
    const copy = structuredClone(mutex)
    expect(SharedMutex.isSharedMutex(copy)).toBe(true)
    const decoded = Schema.decodeUnknownSync(SharedMutex.SharedMutex)(copy)
    const guard = SharedMutex.lockSync(decoded)
    expect(status(mutex).held).toBe(1)
    guard.release()
    expect(Schema.is(SharedMutex.SharedMutex)({ name: "no" })).toBe(false)
  })
})

describe("code that is ended by force", () => {
  it("releases the locks of its section, and keeps the locks that were held before", () => {
    const [before, inside] = [SharedMutex.makeUnsafe(), SharedMutex.makeUnsafe()]
    const kept = SharedMutex.lockSync(before)
    const section = Registry.beginSection(() => true)
    const lost = SharedMutex.lockSync(inside)
    Registry.abandon(Registry.askedInSection(section))
    expect(status(before).held).toBe(1)
    expect(status(inside)).toEqual(free)
    const next = SharedMutex.lockSync(inside)
    expect(next.ownerDied).toBe(true)
    lost.release()
    next.markConsistent()
    next.release()
    kept.release()
    expect([status(before), status(inside)]).toEqual([free, free])
  })

  it("and a thread that dies between its release and the wake-up leave no waiter asleep", async () => {
    const mutex = SharedMutex.makeUnsafe()
    SharedMutex.lockSync(mutex)
    const waiter = Effect.runFork(Effect.scoped(SharedMutex.lock(mutex)))
    const firstRequest = 0
    // The dying thread has released the lock, but has not yet woken the waiter.
    Memory.commit(Registry.open(mutex.buffer), "", (state) => State.release(state, firstRequest, true, []))
    expect(status(mutex)).toEqual({ ...free, free: 0, held: 1 })
    await Effect.runPromise(SharedMutex.threadDied(1_000_000))
    expect((await Effect.runPromise(Fiber.join(waiter))).ownerDied).toBe(false)
  })
})
