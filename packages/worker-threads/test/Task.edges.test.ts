/** Edge cases of the values, names, reports and options of a pool of plain functions. */
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Task, WorkerError } from "@quiesce/worker-threads"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

const url = new URL("./fixtures/edge-function.ts", import.meta.url)
const makePool = (options: Task.TaskPoolOptions = {}) =>
  Task.createTaskPool<typeof import("./fixtures/edge-function.ts")>(url, { size: 1, ...options })

const optionOf = async (call: Promise<unknown>): Promise<unknown> => {
  const error: unknown = await call.then(
    () => undefined,
    (cause: unknown) => cause
  )
  return WorkerError.isWorkerError(error) && error.reason._tag === "InvalidOption" ? error.reason.option : error
}

describe("the name of a call", () => {
  it.each([32_768, 32_769, 100_000])("may have %d characters", async (length) => {
    await using pool = makePool()
    expect(await pool.run({ _tag: "Echo", value: "a" }, { name: "n".repeat(length) })).toBe("a")
  })

  it("is a string", async () => {
    await using pool = makePool()
    expect(await optionOf(pool.run({ _tag: "Echo", value: "a" }, { name: 5 as never }))).toBe("name")
    expect(await pool.run({ _tag: "Echo", value: "a" })).toBe("a")
  })
})

describe("an error", () => {
  it.each([0, 1, 4000, 4001, 100_000])("keeps its message of %d characters", async (characters) => {
    await using pool = makePool()
    const error: unknown = await pool.run({ _tag: "Throw", characters }).catch((cause: unknown) => cause)
    expect((error as Error).message).toBe("m".repeat(characters))
  })

  it("of a `using` declaration keeps the error of the body and the error of the dispose", async () => {
    await using pool = makePool()
    const error: unknown = await pool.run({ _tag: "Suppressed" }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({
      name: "SuppressedError",
      error: { message: "from the dispose" },
      suppressed: { message: "from the body" }
    })
  })
})

describe("reports that the function does not await", () => {
  it.each([1, 4, 8, 100])("arrive before the result: %d", async (count) => {
    await using pool = makePool()
    for (let round = 0; round < 10; round++) {
      const received: Array<number> = []
      const result = await pool.run({ _tag: "Reports", count }, { onProgress: (value) => received.push(value) })
      expect([result, received]).toEqual([count, Array.from({ length: count }, (_, index) => index)])
    }
  })

  it("arrive before the error", async () => {
    await using pool = makePool()
    const received: Array<number> = []
    const call = pool.run({ _tag: "Reports", count: 20, fails: true }, { onProgress: (value) => received.push(value) })
    await expect(call).rejects.toThrow("after the reports")
    expect(received).toHaveLength(20)
  })

  it("end with an abort, and the worker survives", async () => {
    await using pool = makePool()
    const controller = new AbortController()
    const reason = new Error("enough")
    const call = pool.run(
      { _tag: "Reports", count: 1000 },
      { signal: controller.signal, onProgress: () => controller.abort(reason) }
    )
    await expect(call).rejects.toBe(reason)
    expect(await pool.run({ _tag: "Echo", value: 1 })).toBe(1)
  })
})

describe("a function that reports until its end", () => {
  it.each([
    ["and waits for each report", { _tag: "ReportsForEver" }],
    ["and waits for none", { _tag: "ReportsAndWaits", count: 20 }]
  ] as const)("%s, ends with an abort, and its worker survives", async (_, ask) => {
    await using pool = makePool()
    const worker = await pool.run({ _tag: "ThreadId" })
    const controller = new AbortController()
    const reason = new Error("enough")
    const onProgress = (): void => controller.abort(reason)
    await expect(pool.run(ask, { signal: controller.signal, onProgress })).rejects.toBe(reason)
    expect(await pool.run({ _tag: "ThreadId" })).toBe(worker)
  })
})

describe("the folder for temporary folders", () => {
  let parent: string
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), "quiesce-test-"))
  })
  afterEach(() => rm(parent, { recursive: true }))

  it.each(["a-", "", ".", ".."])("has the folder with the prefix %j", async (prefix) => {
    const root = await mkdtemp(join(parent, "allowed-"))
    await using pool = makePool({ leases: { temporaryFolder: { root } } })
    expect(dirname((await pool.run({ _tag: "Folder", prefix })) as string)).toBe(root)
    expect(await readdir(parent)).toHaveLength(1)
  })
})

it("an input whose getter makes another call arrives, and so does the other call", async () => {
  await using pool = makePool({ concurrency: 4 })
  await pool.run({ _tag: "Echo", value: "warm" })
  let inner: Promise<unknown> | undefined
  const value = {
    a: 1,
    get b() {
      inner ??= pool.run({ _tag: "Echo", value: "inner" })
      return 2
    }
  }
  expect(await pool.run({ _tag: "Echo", value })).toEqual({ a: 1, b: 2 })
  expect(await inner).toBe("inner")
})

it("a drain counts the calls that were aborted while the pool was being opened", async () => {
  const pool = makePool()
  const controller = new AbortController()
  const { signal } = controller
  const calls = [
    pool.run({ _tag: "Wait", millis: 50 }),
    ...[1, 2, 3].map(() => pool.run({ _tag: "Echo", value: 1 }, { signal }))
  ]
  const drained = pool.drain({ within: "1 minute" })
  controller.abort(new Error("enough"))
  const ended = await Promise.allSettled(calls)
  expect(ended.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected"])
  expect(await drained).toEqual({ finished: 1, cut: 0, neverStarted: 3 })
})

describe("a wrong option is refused by its name", () => {
  it.each([3, "3", {}, { whenFull: "fail" }, null])("the queue %j", async (queue) => {
    const pool = makePool({ queue: queue as never })
    expect(await optionOf(pool.run({ _tag: "Echo", value: 1 }))).toBe("queue")
  })

  it("the options of a drain", async () => {
    expect(await optionOf(makePool().drain(null as never))).toBe("The options of the drain")
  })

  it.each(["soon", -5, null])("the grace %j of child processes, of a pool and of a call", async (grace) => {
    const leases = { childProcess: { commands: ["sleep"], grace: grace as never } }
    expect(await optionOf(makePool({ leases }).run({ _tag: "Echo", value: 1 }))).toBe("leases.childProcess.grace")
    await using pool = makePool()
    expect(await optionOf(pool.run({ _tag: "Echo", value: 1 }, { leases }))).toBe("leases.childProcess.grace")
  })

  it("the signal of a broadcast", async () => {
    await using pool = makePool()
    await pool.run({ _tag: "Echo", value: 1 })
    expect(await optionOf(pool.broadcast({ _tag: "Echo", value: 1 }, { signal: 5 as never }))).toBe("signal")
  })
})
