/** Results of plain functions that are transferred to the caller instead of being copied. */
import type { MessagePort } from "node:worker_threads"
import { once } from "node:events"
import { Task } from "@quiesce/worker-threads"
import { describe, expect, it } from "vitest"

const url = new URL("./fixtures/moved-result.ts", import.meta.url)
const makePool = () => Task.createTaskPool<typeof import("./fixtures/moved-result.ts")>(url, { size: 1 })
const whole = new Uint8Array(100_000).fill(7)
const few = new Uint8Array(8).fill(7)

/** `Task.light.test.ts` has the first of these for a pool without Effect. */
describe("transfer", () => {
  it.each([
    ["a result", whole, 0],
    ["a promise", whole, 0],
    ["a part of a result", { name: "pixels", bytes: whole }, 0],
    ["a part that is marked twice", whole, 0],
    ["a result after a report", whole, 0],
    ["few bytes", few, 0],
    ["two buffers", { bytes: whole, other: new Uint8Array(10) }, 0],
    ["no part", whole, 100_000]
  ])("moves %s to the caller", async (ask, result, left) => {
    await using pool = makePool()
    expect(await pool.run(ask, { onProgress: () => {} })).toEqual(result)
    expect(await pool.run("the number of bytes left")).toBe(left)
    // The next call of the same worker moves buffers of its own.
    expect(await pool.run(ask, { onProgress: () => {} })).toEqual(result)
  })

  it("moves a port, which still works", async () => {
    await using pool = makePool()
    const port = (await pool.run("a port")) as MessagePort
    port.postMessage("hello")
    expect(await once(port, "message")).toEqual(["hello"])
    port.close()
  })

  it("moves the result of each worker of a broadcast", async () => {
    await using pool = makePool()
    expect(await pool.broadcast("a result")).toEqual([{ status: "fulfilled", value: whole }])
    expect(await pool.run("the number of bytes left")).toBe(0)
  })

  it("moves nothing if the call fails", async () => {
    await using pool = makePool()
    await expect(pool.run("a failure")).rejects.toThrow(new RangeError("too far"))
    expect(await pool.run("the number of bytes left")).toBe(100_000)
  })

  it("moves nothing if the call is cancelled", async () => {
    await using pool = makePool()
    const controller = new AbortController()
    const reason = new Error("enough")
    const call = pool.run("a call that is cancelled", {
      signal: controller.signal,
      onProgress: () => controller.abort(reason)
    })
    await expect(call).rejects.toBe(reason)
    expect(await pool.run("the number of bytes left")).toBe(100_000)
  })

  it.each([
    [
      "a part that can't be moved",
      /The result of ".+" could not be sent to the host: Found invalid value .* such as `pixels.buffer`/
    ],
    [
      "a part that was already transferred",
      /The result of ".+" could not be sent to the host: .* were not moved before/
    ],
    [
      "a result that can't be cloned",
      /The result of ".+" could not be sent to the host: .* could not be cloned\. Return plain data/
    ]
  ])("fails its call for %s, and moves nothing", async (ask, message) => {
    await using pool = makePool()
    await expect(pool.run(ask)).rejects.toMatchObject({
      message: expect.stringMatching(message),
      reason: { _tag: "ResultNotSendable" }
    })
    expect(await pool.run("the number of bytes left")).toBe(100_000)
  })

  it("throws if its argument is no list", async () => {
    await using pool = makePool()
    await expect(pool.run("no list")).rejects.toThrow(/not iterable/)
    expect(await pool.run("the number of bytes left")).toBe(100_000)
  })
})
