import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { noOlderNode, olderNode } from "./olderNode.ts"

const script = fileURLToPath(new URL("./fixtures/unwind-main.ts", import.meta.url))

describe("unwind", () => {
  it.for(["node-22", "node-24"])("works on %s, and the process ends by itself", async (version, { skip }) => {
    const binary = olderNode(version)
    if (binary === undefined) return skip(noOlderNode)
    const { stdout } = await promisify(execFile)(binary, [script, "100"])
    expect(JSON.parse(stdout)).toMatchObject({ each: 16, count: 100, halted: 20 })
  })
})
