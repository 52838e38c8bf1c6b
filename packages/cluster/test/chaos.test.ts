/** Short runs of `pnpm chaos --cluster`. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { faults } from "./fixtures/faultyStore.ts"

const program = fileURLToPath(new URL("./fixtures/chaos-main.ts", import.meta.url))

/** The exit code, and the output of the run. */
const chaos = async (...args: ReadonlyArray<string>): Promise<{ readonly code: unknown; readonly output: string }> => {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (output += String(data)))
  const [code] = await once(child, "close")
  return { code, output }
}

describe.concurrent("chaos on the runner processes of a cluster", () => {
  it("breaks nothing while threads start and end, and processes come and go", async () => {
    const { code, output } = await chaos("90", "20261")

    expect(output).toContain("nothing broke")
    expect(output).toMatch(/^3 process events$/m)
    expect(code).toBe(0)
  })

  it.each([
    ["starts again", /started twice/],
    ["forgets cancels", /started after its thread was cancelled|have not settled/]
  ] as const)("shows a store that %s", async (fault, finding) => {
    expect(faults).toHaveProperty(fault)
    const { code, output } = await chaos("90", "20261", fault)

    expect(output).toMatch(finding)
    expect(code).toBe(1)
  })
})
