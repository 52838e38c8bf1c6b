import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"

const script = fileURLToPath(new URL("./fixtures/flags-main.ts", import.meta.url))

describe("a pool", () => {
  it.for([
    ["--max-old-space-size=500"],
    ["--title", "of two words", "--expose-gc", "--import", "data:text/javascript,"],
    ["--report-on-fatalerror", "--conditions", "development", "--max-semi-space-size=32"]
  ])("works in a process that was started with %j", async (flags) => {
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, script])
    expect(stdout).toBe("3")
  })
})
