import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "@effect/vitest"

/** The leftovers of one case of the fixture after 20,000 rounds. */
interface Left {
  readonly name: string
  readonly listeners: number
  readonly alive: number
  readonly grown: number
}

const measure = async (node: string): Promise<ReadonlyArray<Left>> => {
  const fixture = join(import.meta.dirname, "fixtures/retention.ts")
  const { stdout } = await promisify(execFile)(node, ["--expose-gc", "--disable-warning=ExperimentalWarning", fixture])
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Left)
}

/** 50 bytes for each round: less than the smallest possible leftover, an object with a listener. */
const bound = 1_000_000

const oldest = join(import.meta.dirname, "../../../node_modules/node-22/bin/node")

/** Node 22 has a case of its own, except in a run on an older version than the newest. */
const skips = (node: string): boolean =>
  !existsSync(node) || (node === oldest && Number(process.versions.node.split(".")[0]) < 26)

describe.each([
  [`Node ${process.versions.node}`, process.execPath],
  ["Node 22 (skipped on Node 24 and earlier, and without the dependency node-22, which is for Linux on x64)", oldest]
])("after 20,000 rounds on %s", (_, node) => {
  it.skipIf(skips(node))(
    "no signal, region or thread has left a listener, an object or heap behind, and the test detects a planted leak",
    async () => {
      const [leaky, ...others] = (await measure(node)).toReversed()
      expect(leaky).toMatchObject({ name: "leaky", alive: 100 })
      expect(leaky!.listeners).toBeGreaterThan(20_000)
      expect(leaky!.grown).toBeGreaterThan(2 * bound)
      expect(others.length).toBe(16)
      expect(others.filter((left) => left.listeners > 0 || left.alive > 0 || left.grown > bound)).toEqual([])
    }
  )
})
