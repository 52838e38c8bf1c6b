/** The settings of the workers of a pool, for the first workers and for their replacements. */
import { Task, WorkerError } from "@quiesce/worker-threads"
import { describe, expect, it } from "vitest"

type Settings = typeof import("./fixtures/settings-task.ts")
const url = new URL("./fixtures/settings-task.ts", import.meta.url)

const worker: Task.WorkerSettings = {
  name: "flavours",
  env: { FLAVOUR: "sweet" },
  argv: ["one", "two"],
  execArgv: ["--no-warnings"],
  resourceLimits: { maxOldGenerationSizeMb: 32 }
}

const isExited = (error: unknown): boolean => WorkerError.isWorkerError(error) && error.reason._tag === "WorkerExited"

describe("createTaskPool with settings for its workers", () => {
  it("applies them to the first workers and to their replacements", async () => {
    const pool = Task.createTaskPool<Settings>(url, { size: 1, worker })
    const seen = { env: "sweet", argv: ["one", "two"], warns: false, heap: 32 }
    expect(await pool.run("look")).toEqual(seen)
    await expect(pool.run("exit")).rejects.toSatisfy(isExited)
    expect(await pool.run("look")).toEqual(seen)
    await pool[Symbol.asyncDispose]()
  })

  it("ends a call that exceeds the heap with WorkerExited, and replaces its worker", async () => {
    const pool = Task.createTaskPool<Settings>(url, { size: 1, worker })
    await expect(pool.run("fill")).rejects.toSatisfy(isExited)
    expect(await pool.run("look")).toMatchObject({ heap: 32 })
    await pool[Symbol.asyncDispose]()
  })

  it("rejects the calls with SpawnFailed if Node refuses a flag", async () => {
    const pool = Task.createTaskPool<Settings>(url, { size: 1, worker: { execArgv: ["--title=task"] } })
    await expect(pool.run("look")).rejects.toMatchObject({ reason: { _tag: "SpawnFailed" } })
  })
})
