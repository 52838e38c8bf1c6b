import { WorkerError, WorkerPool } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { makePool } from "./support.ts"

/** An object that throws at each read. */
const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

it("isWorkerPool is true for a pool only", () =>
  Effect.runPromise(
    Effect.scoped(
      Effect.map(makePool(), (pool) => {
        expect(WorkerPool.isWorkerPool(pool)).toBe(true)
        expect([undefined, null, {}, { execute: pool.execute }, revoked()].filter(WorkerPool.isWorkerPool)).toEqual([])
      })
    )
  ))

it("isWorkerError is true for an error of this package only", () => {
  expect(WorkerError.isWorkerError(WorkerError.make({ _tag: "PoolClosed" }))).toBe(true)
  expect([undefined, new Error("no"), { _tag: "WorkerError" }, revoked()].filter(WorkerError.isWorkerError)).toEqual([])
})
