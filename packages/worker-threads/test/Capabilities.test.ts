import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { WorkerInspector } from "../src/internal/unwind/host/workerInspector.ts"
import * as ControlBlock from "../src/internal/wire/controlBlock.ts"
import { withBundle } from "./fixtures/bundle.ts"
import { look } from "./fixtures/capabilities.ts"

const tasks = new URL("./fixtures/tasks.worker.ts", import.meta.url)

describe("pool.capabilities.unwind", () => {
  it("is SectionsAndOtherCode if the worker imports the installed packages", async () => {
    expect(await Effect.runPromise(look(tasks))).toEqual({
      unwind: { _tag: "SectionsAndOtherCode" },
      section: { rung: "unwind", why: null },
      otherCode: { rung: "unwind", why: null },
      sum: 3,
      warnings: []
    })
  })

  it("is SectionsOnly in a bundle, and the report has the same reason", () =>
    withBundle(tasks, async (bundle) => {
      const seen = await Effect.runPromise(look(bundle, "1 second"))
      const why = expect.stringContaining("not run from its own packages")
      expect(seen).toMatchObject({
        unwind: { _tag: "SectionsOnly", why },
        section: { rung: "unwind", why: null },
        otherCode: { rung: "kill", why },
        sum: 3,
        warnings: []
      })
      expect(seen.unwind).toEqual({ _tag: "SectionsOnly", why: seen.otherCode.why })
    }))

  it("is None if the inspector is not permitted, and the report has the same reason", async () => {
    const main = fileURLToPath(new URL("./fixtures/capabilities-main.ts", import.meta.url))
    const flags = ["--permission", "--allow-worker", "--allow-fs-read=*"]
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, main])
    const seen = JSON.parse(stdout)
    const why = expect.stringContaining("restricted")
    expect(seen).toMatchObject({
      unwind: { _tag: "None", why },
      section: { rung: "kill", why },
      otherCode: { rung: "kill", why },
      sum: 3,
      warnings: []
    })
    expect(seen.unwind.why).toBe(seen.otherCode.why)
  })

  it("is determined although the probe worker starts before the thread of the host continues", async () => {
    const main = fileURLToPath(new URL("./fixtures/early-probe-main.ts", import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [main])
    expect(JSON.parse(stdout)).toEqual({ unwind: { _tag: "SectionsAndOtherCode" } })
  })
})

describe("an unwind outside a section, in a worker where only sections can be ended", () => {
  it("is refused at once, before the worker is attached or halted", async () => {
    const why = "it is a bundle"
    const listener = {
      unwound: () => {},
      repair: () => {},
      wake: () => {},
      runs: () => true,
      unwind: { _tag: "SectionsOnly", why } as const
    }
    const reach = new WorkerInspector(
      ControlBlock.make(1),
      listener,
      Effect.succeed({ _tag: "SectionsAndOtherCode" } as const)
    )
    try {
      expect(await Effect.runPromise(reach.unwind(1))).toEqual({ _tag: "Refused", why })
    } finally {
      reach.over()
    }
  })
})
