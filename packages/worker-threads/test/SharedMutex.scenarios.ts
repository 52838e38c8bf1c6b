/**
 * The behaviour of a shared mutex across threads, one scenario for each rule. `SharedMutex.test.ts` runs them, and
 * `fixtures/shared-main.ts` runs them on other versions of Node. In each, half of the workers wait in synchronous code
 * and half in fibers.
 */
import assert from "node:assert/strict"
import * as SharedMutex from "@quiesce/worker-threads/SharedMutex"
import { Effect, Fiber } from "effect"
import { open } from "../src/internal/locks/registry.ts"
import { collectAll } from "./fixtures/collect.ts"
import { Harness, modeOf } from "./fixtures/shared-harness.ts"

const free = { free: 1, held: 0, waiting: 0, unusable: false }

const reasonOf = (effect: Effect.Effect<unknown, { readonly reason: { readonly _tag: string } }>): Promise<string> =>
  Effect.runPromise(Effect.map(Effect.flip(effect), (error) => error.reason._tag))

/** A turn of the event loop. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  "has one owner at a time: four workers and a fiber of the host count on one counter, and lose no count": async () => {
    const harness = new Harness()
    const peers = await harness.spawnMany(4)
    const counting = peers.map((peer, index) => peer.counts(modeOf(index), 1000))
    const addOne = Effect.sync(() => {
      harness.counter++
    })
    await Effect.runPromise(Effect.repeat(SharedMutex.withLock(harness.mutex)(addOne), { times: 99 }))
    await Promise.all(counting)
    assert.equal(harness.counter, 4 * 1000 + 100)
    assert.deepEqual(harness.status, free)
    for (const peer of peers) await peer.closes()
  },

  "is granted in the order of the requests, to fibers and to synchronous code": async () => {
    const harness = new Harness()
    const [holder, ...waiters] = await harness.queueUp(4)
    await holder!.unlocks()
    for (const waiter of waiters) {
      await waiter.hasLock({ ownerDied: false })
      await waiter.unlocks()
    }
    assert.deepEqual(
      harness.log,
      [holder!, ...waiters].map((peer) => peer.me)
    )
    for (const peer of [holder!, ...waiters]) await peer.closes()
  },

  "reports a death to the next owner alone; once that has repaired the data, later owners see nothing": async () => {
    const harness = new Harness()
    const [holder, first, second, third] = await harness.queueUp(3)
    await holder!.dies()
    await first!.hasLock({ ownerDied: true })
    await first!.repairsAndUnlocks()
    await second!.hasLock({ ownerDied: false })
    await second!.dies()
    await third!.hasLock({ ownerDied: true })
    await third!.repairsAndUnlocks()
    for (const peer of [first!, third!]) await peer.closes()
  },

  "becomes unusable when the owner after a death unlocks without a repair: all waiters and later requests fail":
    async () => {
      const harness = new Harness()
      const [holder, first, ...others] = await harness.queueUp(3)
      const fiberOfHost = reasonOf(Effect.scoped(SharedMutex.lock(harness.mutex)))
      await harness.whenWaiting(4)
      await holder!.dies()
      await first!.hasLock({ ownerDied: true })
      await first!.unlocks()
      for (const peer of others) await peer.isRefused("LockUnusable")
      assert.equal(await fiberOfHost, "LockUnusable")
      assert.equal(await reasonOf(Effect.scoped(SharedMutex.lock(harness.mutex))), "LockUnusable")
      assert.throws(() => SharedMutex.lockSync(harness.mutex), /"shared" can't be used any more: thread \d+ died/)
      for (const peer of [first!, ...others]) await peer.closes()
    },

  "drops the request of a thread that dies while it waits, and reports each death of an owner in a row": async () => {
    const harness = new Harness()
    const [holder, first, second, third] = await harness.queueUp(3)
    await first!.dies()
    assert.equal(harness.status.waiting, 2)
    await holder!.dies()
    await second!.hasLock({ ownerDied: true })
    await second!.dies()
    await third!.hasLock({ ownerDied: true })
    await third!.dies()
    assert.deepEqual(harness.status, free)
  },

  "is not affected by a fiber that is interrupted while it waits": async () => {
    const harness = new Harness()
    const [holder, first] = await harness.queueUp(1)
    const fiber = Effect.runFork(Effect.scoped(SharedMutex.lock(harness.mutex)))
    await harness.whenWaiting(2)
    await Effect.runPromise(Fiber.interrupt(fiber))
    assert.equal(harness.status.waiting, 1)
    await holder!.unlocks()
    await first!.hasLock({ ownerDied: false })
    await first!.unlocks()
    for (const peer of [holder!, first!]) await peer.closes()
  },

  "withLock repairs the data by recover, and the next owner gets the report of the death without a recover or after an interrupt":
    async () => {
      const harness = new Harness()
      const [holder] = await harness.queueUp(0)
      await holder!.dies()
      const read = Effect.sync(() => harness.counter)
      const recover = Effect.sync(() => {
        harness.counter = 7
      })
      assert.equal(await reasonOf(SharedMutex.withLock(harness.mutex)(read)), "OwnerDied")
      const interrupted = SharedMutex.withLock(harness.mutex, { recover: Effect.interrupt })(read)
      await Effect.runPromise(Effect.exit(interrupted))
      assert.equal(await Effect.runPromise(SharedMutex.withLock(harness.mutex, { recover })(read)), 7)
      assert.equal(await Effect.runPromise(SharedMutex.withLock(harness.mutex)(read)), 7)
    },

  "is garbage-collected once its maker and a worker that has used the mutex have dropped their references":
    async () => {
      const harness = new Harness()
      const peer = await harness.spawn()
      const memories: Array<WeakRef<object>> = []
      for (let lock = 0; lock < 100; lock++) {
        const other = SharedMutex.makeUnsafe()
        memories.push(new WeakRef(open(other.buffer)))
        await peer.uses(other)
      }
      // The collection runs first here, where the locks are kept alive for the worker.
      await collectAll()
      await peer.collectsGarbage()
      // A death makes this thread check its locks, even if no thread has that id.
      Effect.runSync(SharedMutex.threadDied(1_000_000))
      await collectAll()
      const left = memories.filter((memory) => memory.deref() !== undefined).length
      assert.ok(left <= 1, `${left} of 100 locks are left when no thread has them`)
      await peer.closes()
    }
}

/**
 * Two workers use the lock without a pause. In each round, a third worker joins them and is killed at a random point,
 * while fibers of the host that wait for the lock or hold it are interrupted. The lock must neither be lost nor have
 * two owners.
 */
export const killedAtRandom = async (rounds: number, seed: number): Promise<void> => {
  const harness = new Harness()
  let random = seed
  const next = (below: number): number => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0
    return (random >>> 8) % below
  }
  const recover = Effect.sync(() => harness.clearInside())
  const withLock = SharedMutex.withLock(harness.mutex, { recover })
  const steady = await harness.spawnMany(2)
  for (const [index, peer] of steady.entries()) await peer.hammers(modeOf(index))
  for (let round = 0; round < rounds; round++) {
    const victim = await harness.spawn()
    await victim.hammers(modeOf(round))
    for (let i = 0; i < 10; i++) {
      const fiber = Effect.runFork(withLock(Effect.never))
      for (let turns = next(4); turns > 0; turns--) await turn()
      await Effect.runPromise(Fiber.interrupt(fiber))
    }
    const end = harness.counter + next(300)
    while (harness.counter < end) await turn()
    await victim.dies()
    await Effect.runPromise(withLock(Effect.void))
  }
  assert.equal(harness.violations, 0)
  for (const peer of steady) await peer.dies()
  assert.deepEqual(harness.status, free)
}
