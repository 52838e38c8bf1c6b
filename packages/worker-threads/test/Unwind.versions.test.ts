import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"

const root = new URL("../../../node_modules/", import.meta.url)
const script = fileURLToPath(new URL("./fixtures/unwind-main.ts", import.meta.url))

describe("unwind", () => {
  it.for(["node-22", "node-24"])("works on %s, and the process comes to its own end", async (version, { skip }) => {
    const binary = fileURLToPath(new URL(`${version}/bin/node`, root))
    if (!existsSync(binary)) return skip("It is an optional dependency, and not there for this platform")
    const { stdout } = await promisify(execFile)(binary, [script, "100"])
    expect(JSON.parse(stdout)).toMatchObject({ each: 16, count: 100, halted: 20 })
  })
})
