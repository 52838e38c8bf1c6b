/** The laws on workers of the other supported Nodes, on a few programs each. */
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"

const root = new URL("../../../node_modules/", import.meta.url)
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

describe("the laws on worker threads", { timeout: 600_000 }, () => {
  it.for(["node-22", "node-24"])("hold on %s", async (version, { skip }) => {
    const binary = fileURLToPath(new URL(`${version}/bin/node`, root))
    if (!existsSync(binary)) return skip("It is an optional dependency, and not there for this platform")
    const { stdout } = await promisify(execFile)(binary, [main, "--adapter", "workers", "--programs", "5"])
    expect(stdout).toContain("33 searches, 0 laws broken")
  })
})
