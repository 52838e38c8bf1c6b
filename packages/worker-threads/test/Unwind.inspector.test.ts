import { execFile } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Worker } from "node:worker_threads"
import { Effect, Queue } from "effect"
import { describe, expect, it } from "vitest"
import { capabilities } from "../src/internal/unwind/host/capabilities.ts"
import * as Inspector from "../src/internal/inspector/connection.ts"

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

describe("attach", () => {
  it("lets one user attach to a worker at a time, and starts for the next user with the debugger off", async () => {
    const letGo = Inspector.hold()
    const worker = new Worker("require('node:worker_threads').parentPort.on('message', () => {})", { eval: true })
    const evaluated = await Effect.runPromise(
      Effect.gen(function* () {
        yield* Inspector.attach(worker).pipe(
          Effect.flatMap((first) => first.post("Debugger.enable")),
          Effect.scoped
        )
        const second = yield* Inspector.attach(worker)
        expect((yield* Effect.flip(Inspector.attach(worker))).why).toContain("has a user")
        const halts = yield* Queue.unbounded<unknown>()
        second.listen("Debugger.paused", (params) => Queue.offerUnsafe(halts, params))
        // The statement would halt a worker whose debugger is on.
        const result = yield* second.post("Runtime.evaluate", { expression: "debugger; 6 * 7" })
        return { result, halts: yield* Queue.size(halts) }
      }).pipe(Effect.scoped)
    )
    expect(evaluated).toMatchObject({ result: { result: { value: 42 } }, halts: 0 })
    await worker.terminate()
    letGo()
  })

  it("fails for a worker that has ended", async () => {
    const worker = new Worker("", { eval: true })
    await once(worker, "exit")
    const failure = await Effect.runPromise(Effect.flip(Effect.scoped(Inspector.attach(worker))))
    expect(failure.why).toBe("The worker has ended")
  })

  it("does not crash the process if workers of other pools end while a pool opens", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fixture("inspector-churn.ts")])
    expect(stdout).toBe("12")
  })

  it("does not crash the process if terminated workers are slow to end, and leaves no timer", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fixture("orphans-churn.ts")])
    expect(stdout).toBe("[]")
  })

  it("works in a worker that is itself the host", async () => {
    const host = new Worker(fixture("unwind-main.ts"), { argv: ["20"], stdout: true })
    const text: Array<string> = []
    host.stdout.on("data", (chunk) => text.push(String(chunk)))
    expect(await once(host, "exit")).toEqual([0])
    expect(JSON.parse(text.join(""))).toMatchObject({ each: 16, count: 20 })
  })
})

describe("the relay of a worker that is itself the host", () => {
  it("ends after the main thread has answered it, because an answer during its end would abort the process", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fixture("relay-end.ts")])
    expect(JSON.parse(stdout)).toEqual({ before: false, after: true })
  })
})

describe("capabilities", () => {
  it("reports only what a probe has shown", async () => {
    expect(await Effect.runPromise(capabilities)).toEqual({ unwind: { _tag: "SectionsAndOtherCode" } })
  })

  it("leaves nothing behind when it is interrupted, and probes again for the next caller", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [fixture("unwind-capabilities-cut.ts")])
    const { afterwards, during, left } = JSON.parse(stdout)
    expect(during).toBeGreaterThan(0)
    expect(left).toBe(0)
    expect(afterwards).toEqual({ unwind: { _tag: "SectionsAndOtherCode" } })
  })

  it("reports the reason if the inspector is not permitted", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--permission",
      "--allow-worker",
      "--allow-fs-read=*",
      fixture("unwind-capabilities.ts")
    ])
    expect(JSON.parse(stdout)).toMatchObject({ unwind: { _tag: "None", why: expect.stringContaining("restricted") } })
  })
})
