import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"

const script = fileURLToPath(new URL("./fixtures/deep-main.ts", import.meta.url))
const root = new URL("../../../node_modules/", import.meta.url)

/** The end of the process: a thread that spins on, or an open line of the inspector, would keep the process alive. */
const end = async (binary: string, masked: string, exit: string): Promise<string> => {
  const { stderr, stdout } = await promisify(execFile)(binary, [script, "2", masked, exit])
  expect(stderr).toBe("")
  return stdout.trim()
}

const ways = [
  ["plain", "by itself"],
  ["plain", "exit"],
  ["masked", "by itself"],
  ["masked", "exit"]
] as const

describe("a shutdown ends pools three deep with a busy leaf, and the process ends", () => {
  it.each(ways)("a %s loop, %s", async (masked, exit) => {
    expect(await end(process.execPath, masked, exit)).toMatch(/^(Killed|Interrupted)$/)
  })

  it.for(["node-22", "node-24"].flatMap((version) => ways.map(([masked, exit]) => [version, masked, exit] as const)))(
    "%s: a %s loop, %s",
    async ([version, masked, exit], { skip }) => {
      const binary = fileURLToPath(new URL(`${version}/bin/node`, root))
      if (!existsSync(binary)) return skip("It is an optional dependency, and not there for this platform")
      expect(await end(binary, masked, exit)).toMatch(/^(Killed|Interrupted)$/)
    }
  )
})
