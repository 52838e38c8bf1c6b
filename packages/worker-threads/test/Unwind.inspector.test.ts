import { execFile } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Worker } from "node:worker_threads"
import { Effect, Exit, Scope } from "effect"
import { describe, expect, it } from "vitest"
import { capabilities } from "../src/internal/unwind/host/capabilities.ts"
import * as Inspector from "../src/internal/inspector/connection.ts"
import { Harness } from "./fixtures/unwind-harness.ts"

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

describe("attach", () => {
  it("reaches a worker that an earlier user has left, beside one that is in use", async () => {
    await using first = await Harness.open()
    await using second = await Harness.open()
    const scope = Scope.makeUnsafe()
    await Effect.runPromise(Scope.provide(Inspector.attach(first.worker), scope))
    await Effect.runPromise(Scope.close(scope, Exit.void))
    for (const harness of [first, second]) {
      const id = await harness.started()
      expect(await harness.cancel(id)).toMatchObject({ _tag: "Unwound" })
      await harness.answer("Ended", id)
    }
  })

  it("fails for a worker that has ended", async () => {
    const worker = new Worker("", { eval: true })
    await once(worker, "exit")
    const failure = await Effect.runPromise(Effect.flip(Effect.scoped(Inspector.attach(worker))))
    expect(failure.why).toBe("The worker has ended")
  })

  it("does not take the process down when workers of others end while a pool opens", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fixture("inspector-churn.ts")])
    expect(stdout).toBe("12")
  })

  it("works from a worker that is itself the host", async () => {
    const host = new Worker(fixture("unwind-main.ts"), { argv: ["20"], stdout: true })
    const text: Array<string> = []
    host.stdout.on("data", (chunk) => text.push(String(chunk)))
    expect(await once(host, "exit")).toEqual([0])
    expect(JSON.parse(text.join(""))).toMatchObject({ each: 16, count: 20 })
  })
})

describe("the relay of a worker that is itself the host", () => {
  it("ends when the main thread has answered it, because an answer during its end would abort the process", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fixture("relay-end.ts")])
    expect(JSON.parse(stdout)).toEqual({ before: false, after: true })
  })
})

describe("capabilities", () => {
  it("has tried out what it says", async () => {
    expect(await Effect.runPromise(capabilities)).toEqual({ unwind: { _tag: "SectionsAndOtherCode" } })
  })

  it("leaves nothing when it is interrupted, and tries again for whoever asks next", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fixture("unwind-capabilities-cut.ts")])
    const { afterwards, during, left } = JSON.parse(stdout)
    expect(during).toBeGreaterThan(0)
    expect(left).toBe(0)
    expect(afterwards).toEqual({ unwind: { _tag: "SectionsAndOtherCode" } })
  })

  it("says why, where the inspector is not permitted", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--permission",
      "--allow-worker",
      "--allow-fs-read=*",
      fixture("unwind-capabilities.ts")
    ])
    expect(JSON.parse(stdout)).toMatchObject({ unwind: { _tag: "None", why: expect.stringContaining("restricted") } })
  })
})
