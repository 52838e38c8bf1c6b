/**
 * A faulty worker ends with its own tasks, and neither the host nor another worker is affected. Each attack has a
 * process of its own, which is killed if it hangs.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, it } from "vitest"
import { attacks } from "./fixtures/neighbour-attacks.ts"

const script = fileURLToPath(new URL("./fixtures/neighbour-attacks-main.ts", import.meta.url))
const hangs = 60_000

it.each(attacks)("%s", async (attack) => {
  const { stdout } = await promisify(execFile)(process.execPath, [script, attack], {
    timeout: hangs,
    killSignal: "SIGKILL"
  })
  expect(stdout).toBe(`${attack}: all are well\n`)
})
