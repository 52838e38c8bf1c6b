import { fileURLToPath } from "node:url"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import { isSwitchable } from "../src/internal/wire/stringifyFastPath.ts"
import { noOlderNode, olderNode } from "./olderNode.ts"

const script = fileURLToPath(new URL("./fixtures/fast-path-main.ts", import.meta.url))

/** The flags that a separate process sets in each step of `fast-path-main.ts`. */
const flagsOf = async (binary: string, options: ReadonlyArray<string> = []): Promise<unknown> => {
  const { stderr, stdout } = await promisify(execFile)(binary, [...options, script])
  expect(stderr).toBe("")
  return JSON.parse(stdout)
}

const [on, off] = ["--json-stringify-fast-path", "--no-json-stringify-fast-path"]

describe("stringifyFastPath.turnOff", () => {
  it.runIf(isSwitchable(Number.parseInt(process.versions.node, 10), []))(
    "counts the uses of all threads, drops the uses of a dead thread, and turns the path on after the last use",
    async () => {
      expect(await flagsOf(process.execPath)).toEqual({
        twoUses: [off, off],
        oneUseLeft: [],
        releasedTwice: [],
        useOfWorkerLeft: [],
        workerDied: [on],
        anotherUse: [off, on]
      })
    }
  )

  it("changes nothing in a process that was started without the fast path", async ({ skip }) => {
    if (!isSwitchable(Number.parseInt(process.versions.node, 10), [])) return skip("This Node lacks the option")
    expect(Object.values((await flagsOf(process.execPath, [off])) as object).flat()).toEqual([])
  })

  it.for(["node-22", "node-24"])("changes nothing on %s", async (version, { skip }) => {
    const binary = olderNode(version)
    if (binary === undefined) return skip(noOlderNode)
    expect(Object.values((await flagsOf(binary)) as object).flat()).toEqual([])
  })
})

describe("stringifyFastPath.isSwitchable", () => {
  it.each([
    [24, [], false],
    [25, [], true],
    [26, ["--no-json-stringify-fast-path"], false],
    [26, ["--nojson_stringify_fast_path"], false],
    [26, ["--no_json_stringify-fast_path"], false],
    [26, ["--json-stringify-fast-path"], true],
    [26, ["--no-json-stringify-fast-path", "--json-stringify-fast-path"], true],
    [26, ["--stack-size=2000"], true]
  ])("Node %i with %j: %s", (major, options, expected) => {
    expect(isSwitchable(major, options)).toBe(expected)
  })
})
