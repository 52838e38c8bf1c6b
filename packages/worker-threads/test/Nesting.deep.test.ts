import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { describe, it } from "vitest"
import { noOlderNode, olderNode } from "./olderNode.ts"

/** The binary of a version of Node. Undefined if this run has no such version. */
const binaryOf = (version: string): string | undefined =>
  version === "this Node" ? process.execPath : olderNode(version)

/**
 * The end of a process. A thread that still loops, or an open session of the inspector, would keep the process alive.
 */
const end = (
  binary: string,
  script: string,
  ...args: ReadonlyArray<string>
): Promise<Readonly<Record<string, unknown>>> =>
  new Promise((resolve) => {
    const path = fileURLToPath(new URL(`./fixtures/${script}`, import.meta.url))
    const child = execFile(binary, [path, ...args], (_, stdout, stderr) => {
      resolve({ code: child.exitCode, signal: child.signalCode, stdout: stdout.trim(), stderr })
    })
  })

const ended = (stdout: unknown, stderr: unknown = "") => ({ code: 0, signal: null, stdout, stderr })

/** The thread has two pools below it. On a busy machine each of them may kill its own thread, and log that. */
const killed = /^(Thread "Count" did not end in time when it was asked to, and was killed\. .*\n){0,2}$/

const ways = [
  ["this Node", "masked", "exit"],
  ["node-22", "plain", "by itself"],
  ["node-24", "masked", "by itself"]
] as const

describe.concurrent("nested pools and the inspector", () => {
  it.for(ways)(
    "end after a shutdown, three pools deep with a busy leaf, and the process ends: %s, a %s loop, %s",
    async ([version, masked, exit], { expect, skip }) => {
      const binary = binaryOf(version)
      if (binary === undefined) return skip(noOlderNode)
      const ending: unknown = expect.stringMatching(/^(Killed|Interrupted)$/)
      expect(await end(binary, "deep-main.ts", "2", masked, exit)).toEqual(ended(ending, expect.stringMatching(killed)))
    }
  )

  it("work together: a worker that has a pool and blocks its event loop comes to each halt, while other workers start", async ({
    expect
  }) => {
    expect(await end(process.execPath, "halted-host-main.ts", "20")).toEqual(ended("20"))
  })
})
