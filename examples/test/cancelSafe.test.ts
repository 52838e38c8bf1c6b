import { expect, it } from "vitest"
import { runFile } from "./support.ts"

it("06-cancel-safe: finds the leak in one worker, names the place, and finds no leak in the other worker", async () => {
  const { lines, errors, code } = await runFile("examples/06-cancel-safe/main.ts")

  expect(errors).toBe("")
  const text = lines.join("\n")
  expect(text).toMatch(/^leaky: \d+ steps, \d+ cuts, [1-9]\d* findings/)
  expect(text).toMatch(/hit at step \d+ of \d+.* in do a job \(.*program\.ts:\d+:\d+\)/)
  expect(text).toContain('- "job" was acquired and not released')
  expect(text).toMatch(/mended: (\d+) steps, \1 cuts, 0 findings$/)
  expect(code).toBe(0)
})
