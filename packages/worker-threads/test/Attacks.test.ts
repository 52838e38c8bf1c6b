/**
 * A pool that a faulty worker attacks with data. The attacking task or its worker ends, and the host, the other workers
 * and their tasks continue. The pool runs in a process of its own, because a successful attack would crash or block the
 * process.
 */
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { beforeAll, describe, expect, it } from "vitest"
import { attacks, harmless } from "./fixtures/attacks.ts"

const script = fileURLToPath(new URL("./fixtures/attacks-main.ts", import.meta.url))

/** How long the attacked process may be silent, in milliseconds. Its event loop prints five lines a second. */
const longestSilence = 30_000

const limit = 240_000

interface Outcome {
  readonly tag: string
  readonly message: string
  readonly isServing: boolean
  readonly isNeighbourAlive: boolean
}

interface Attacked {
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** The attack after which the process was silent or has ended; undefined if the process has survived all attacks. */
  readonly lastAttack: string | undefined
  readonly errors: string
  readonly status: unknown
}

type Line = "." | "done" | { readonly begins: string } | { readonly status: unknown } | (Outcome & { name: string })

const attack = (): Promise<Attacked> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "pipe"] })
    const outcomes = new Map<string, Outcome>()
    let lastAttack: string | undefined = "the start"
    let errors = ""
    let status: unknown
    const watchdog = setTimeout(() => child.kill("SIGKILL"), longestSilence)
    createInterface(child.stdout).on("line", (text) => {
      watchdog.refresh()
      const line = JSON.parse(text) as Line
      if (line === ".") return
      if (line === "done") lastAttack = undefined
      else if ("begins" in line) lastAttack = line.begins
      else if ("status" in line) status = line.status
      else outcomes.set(line.name, line)
    })
    child.stderr.on("data", (data: Buffer) => (errors += data.toString()))
    child.on("close", () => {
      clearTimeout(watchdog)
      resolve({ outcomes, lastAttack, errors, status })
    })
  })

/** These attacks are valid answers of the protocol, and end only their own task. */
const answers: ReadonlySet<string> = new Set([
  "a reason of shared arrays",
  "a reason with a cause of shared arrays",
  "a deep reason",
  "a defect of shared arrays",
  "a defect with a message of shared arrays",
  "a defect with an object as its message",
  "an error of shared arrays",
  "a value of shared arrays for a text"
])

describe("a process with an attacking worker", () => {
  let attacked: Attacked
  beforeAll(async () => {
    attacked = await attack()
  }, limit)

  it("neither crashes nor hangs, and its pool is complete at the end", () => {
    expect(attacked).toMatchObject({ lastAttack: undefined, errors: "", status: { workers: 2, running: 0, queued: 0 } })
  })

  it.each(Object.keys(attacks))("survives %s", (name) => {
    const outcome = attacked.outcomes.get(name)
    expect(outcome).toMatchObject({ isServing: true, isNeighbourAlive: true })
    const { message, tag } = outcome!
    expect(tag).toBe(harmless.has(name) ? "Success" : "Failure")
    const ended = message.startsWith("The worker ended under its threads")
    expect(ended).toBe(!harmless.has(name) && !answers.has(name))
    expect(message.length).toBeLessThan(20_000)
  })
})
