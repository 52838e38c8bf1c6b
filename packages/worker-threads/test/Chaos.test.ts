import { spawn } from "node:child_process"
import { once } from "node:events"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { expect, it } from "vitest"
import { noOlderNode, olderNode } from "./olderNode.ts"

const script = fileURLToPath(new URL("./fixtures/chaos-main.ts", import.meta.url))

const ended = async (binary: string, args: ReadonlyArray<string>) => {
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] })
  const exited = once(child, "close")
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code, signal] = await exited
  return { code, signal, stderr, stdout }
}

const plainScript = fileURLToPath(new URL("./fixtures/plain-chaos-main.ts", import.meta.url))

/** The options for pools of plain functions. Each lost worker is logged, so the error output is not empty. */
const plainStorm = async (kind: "--plain" | "--light", faults: number): Promise<{ readonly light: number }> => {
  const seed = process.env["SEED"] ?? String(Date.now() % 1_000_000)
  console.info(`SEED=${seed}`)
  const { code, signal, stderr, stdout } = await ended(process.execPath, [plainScript, String(faults), seed, kind])
  expect({ code, signal }, `SEED=${seed}: ${stdout} ${stderr}`).toEqual({ code: 0, signal: null })
  const counts = JSON.parse(stdout.trim().split("\n").at(-1)!)
  expect(Object.values<number>(counts.strikes).reduce((sum, count) => sum + count, 0)).toBe(faults)
  return counts
}

const storm = async (binary: string, faults: number): Promise<void> => {
  const seed = process.env["SEED"] ?? String(Date.now() % 1_000_000)
  console.info(`SEED=${seed}`)
  const { code, signal, stderr, stdout } = await ended(binary, [script, String(faults), seed])
  // The program prints its findings. The test also checks that the process ends by itself.
  expect({ code, signal, stderr }, `SEED=${seed}: ${stdout}`).toEqual({ code: 0, signal: null, stderr: "" })
  const { leases, strikes } = JSON.parse(stdout)
  expect(Object.values<number>(strikes).reduce((sum, count) => sum + count, 0)).toBe(faults)
  expect(leases.acquired).toBe(leases.released)
}

it("crash-contained: under random faults every call settles, and nothing is left behind", () =>
  storm(process.execPath, 200))

it.for(["node-22", "node-24"])("the same on %s", async (version, { skip }) => {
  const binary = olderNode(version)
  if (binary === undefined) return skip(noOlderNode)
  await storm(binary, 40)
})

it("the same with plain functions", async () => {
  expect((await plainStorm("--plain", 24)).light).toBe(0)
})

it("the same with plain functions in a process that loads Effect when a fault needs it", async () => {
  expect((await plainStorm("--light", 12)).light).toBeGreaterThan(0)
})
