/** Calls of plain functions that wait in a worker. */
import { afterEach, expect, it } from "vitest"
import { LightPool } from "../src/internal/plainTask/host/lightPool.ts"
import { SpawnPlain } from "../src/internal/plainTask/host/spawnPlain.ts"
import type { WorkerEnds } from "../src/internal/host/workerEnds.ts"
import { word } from "../src/internal/wire/controlBlock.ts"
import type { Occupation } from "./fixtures/ahead-function.ts"

const worker = new URL("../src/internal/plainTask/task.worker.ts", import.meta.url)
const url = new URL("./fixtures/ahead-function.ts", import.meta.url).href

/** Shows the shared memory of the workers. */
class OpenSpawn extends SpawnPlain {
  readonly all: Array<WorkerEnds> = []

  override early(ends: WorkerEnds, url: string) {
    this.all.push(ends)
    return super.early(ends, url)
  }
}

const pools: Array<LightPool> = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close()
})

const cell = (length = 1) => new Int32Array(new SharedArrayBuffer(length * 4))

const open = (size: number) => {
  const spawn = new OpenSpawn(worker)
  const { promise: needsPool, resolve: needPool } = Promise.withResolvers<void>()
  const pool = new LightPool(spawn, { min: size, max: size, concurrency: 1 }, needPool)
  pools.push(pool)
  pool.start(size, url)
  const starts = cell(100)
  const call = (id: number, signal?: AbortSignal) => pool.run(url, id, { signal })
  /** Occupies a worker. Further calls are sent ahead, because the last call of each worker is recorded as short. */
  const occupy = async (id: number, how: Occupation["how"] = "block") => {
    const gate = cell()
    const result = pool.run(url, { id, how, gate, starts }, undefined)
    await Atomics.waitAsync(gate, 0, 0).value
    for (const { control } of spawn.all) control.words[word.callMicros] = 1
    const release = (): void => {
      Atomics.store(gate, 0, 2)
      Atomics.notify(gate, 0)
    }
    return { result, release }
  }
  return { pool, needsPool, starts, call, occupy }
}

/** The results of calls behind an occupation that has ended. */
const ended = (...ids: ReadonlyArray<number>) => ids.map((id) => [id, 3])

it("a worker starts the next calls while the thread of the host is busy", async () => {
  const { call, occupy, starts } = open(1)
  const first = await occupy(0)
  const others = [1, 2, 3].map((id) => call(id))
  first.release()
  expect(Atomics.wait(starts, 3, 0, 20_000)).not.toBe("timed-out")
  expect(await Promise.all(others)).toEqual(ended(1, 2, 3))
})

it("an aborted call that waits in a worker never starts, and the calls behind it do", async () => {
  const { call, occupy, pool, starts } = open(1)
  const first = await occupy(0)
  const controller = new AbortController()
  const others = [1, 2, 3].map((id) => call(id, id === 2 ? controller.signal : undefined))
  expect([pool.running, pool.waiting, pool.queued.length]).toEqual([1, 3, 3])
  controller.abort(new Error("enough"))
  await expect(others[1]).rejects.toThrow("enough")
  expect([pool.running, pool.waiting]).toEqual([1, 2])
  first.release()
  expect(await Promise.all([others[0], others[2]])).toEqual(ended(1, 3))
  expect(Array.from(starts).slice(0, 4)).toEqual([1, 1, 0, 1])
})

it("a free worker takes the calls that wait in another worker", async () => {
  const { call, occupy, starts } = open(2)
  const [one, other] = [await occupy(0), await occupy(1)]
  const calls = [2, 3, 4, 5, 6, 7].map((id) => call(id))
  other.release()
  expect(await Promise.all(calls)).toEqual(ended(2, 3, 4, 5, 6, 7))
  one.release()
  await one.result
  expect(Array.from(starts).slice(0, 8)).toEqual([1, 1, 1, 1, 1, 1, 1, 1])
})

it("later calls don't starve the calls that wait in an occupied worker", async () => {
  const { call, occupy } = open(2)
  const [one, other] = [await occupy(0), await occupy(1)]
  const early = new Set([2, 3, 4, 5, 6, 7])
  const calls = Array.from(early, (id) => call(id).finally(() => early.delete(id)))
  other.release()
  const later = async (): Promise<void> => {
    while (early.size > 0) await call(8)
  }
  await Promise.all(Array.from({ length: 64 }, later))
  expect(await Promise.all(calls)).toEqual(ended(2, 3, 4, 5, 6, 7))
  one.release()
  await one.result
})

it("a call does not start before the Promise of the call before it is settled", async () => {
  const { call, occupy } = open(1)
  const first = await occupy(0, "await")
  const second = call(1)
  first.release()
  expect(await second).toEqual([1, 3])
})

it("the calls that wait in a lost worker return to the queue, in their order", async () => {
  const { call, needsPool, occupy, pool, starts } = open(1)
  const first = await occupy(0, "exit")
  for (const id of [1, 2, 3]) void call(id)
  first.release()
  await needsPool
  expect(pool.takeQueued().map(({ id, input }) => [id, input])).toEqual([
    [0, 1],
    [0, 2],
    [0, 3]
  ])
  expect(Array.from(starts).slice(0, 4)).toEqual([1, 0, 0, 0])
  expect(pool.handOver().map(({ running, slots }) => [running.length, slots])).toEqual([[1, []]])
})
