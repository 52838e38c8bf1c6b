/** Vitest in a process of its own, with a test that hangs. */
import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { text } from "node:stream/consumers"
import { expect, it } from "vitest"

const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs")

it("DumpBeforeTimeout prints the threads of a hanging test before its timeout, and nothing for a test that ends", async () => {
  const config = join(import.meta.dirname, "fixtures/hangs-config.ts")
  const child = spawn(process.execPath, [vitest, "run", "--config", config], {
    env: { ...process.env, NO_COLOR: "1", NODE_OPTIONS: "" },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  const all = `${out}${err}`

  expect(all).toContain("hangs")
  expect(all).toContain("Test timed out in 2000ms")
  expect(all).toMatch(/hangs" will soon run into its timeout of 2000 ms\. Still alive:/)
  expect(all).toMatch(/stuck #\d+ cancelled \(interrupt: .*\), asked by main \d+ ms ago, \d+ ms/)
  expect(all).toMatch(/- slow, held for \d+ ms, releasing for \d+ ms/)
  expect(all).not.toContain('ends in time" will soon')
})
