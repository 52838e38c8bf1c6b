/** Runs examples in tests: in virtual time in the test's process, or in real time in a process of their own. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { Console, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { afterEach } from "vitest"

export const workspace = join(import.meta.dirname, "../..")

/** Runs a program in virtual time. Returns the printed lines and the program's result. */
export const runVirtually = <A, E>(
  program: Effect.Effect<A, E>
): Promise<{ readonly lines: ReadonlyArray<string>; readonly result: A }> => {
  const lines: Array<string> = []
  const console: Console.Console = Object.assign(Object.create(globalThis.console), {
    log: (line: string) => lines.push(line)
  })
  return Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(program)
    // In small steps, so that every thread reaches its next wait before the time advances.
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 millis")
    return { lines, result: yield* Fiber.join(fiber) }
  }).pipe(Effect.provide(TestClock.layer()), Effect.provideService(Console.Console, console), Effect.runPromise)
}

/** The output and the exit code of a Node program that has ended. */
export interface Ran {
  readonly lines: ReadonlyArray<string>
  readonly errors: string
  /** Null if a signal has ended the program. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A Node program in a process of its own. */
export interface Running {
  readonly pid: number
  readonly kill: (signal: NodeJS.Signals) => void
  /** Waits until a printed line contains the text, and returns the line. */
  readonly prints: (text: string) => Promise<string>
  readonly ended: Promise<Ran>
}

export interface RunOptions {
  readonly node?: string
  readonly nodeArgs?: ReadonlyArray<string>
  readonly args?: ReadonlyArray<string>
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Receives each printed line and can send a signal to the program. */
  readonly onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void
}

/** The processes of the current test. A test that times out waits for them no longer. */
const children = new Set<ChildProcess>()

afterEach(() => {
  for (const child of children) child.kill("SIGKILL")
})

/** Runs a file with the Node of the test, or with `node`, and waits for its end. `file` is relative to the workspace. */
export const runFile = (file: string, options: RunOptions = {}): Promise<Ran> => startFile(file, options).ended

/** Starts a file like `runFile`. The process is killed at the end of the test. */
export const startFile = (file: string, options: RunOptions = {}): Running => {
  const args = [...(options.nodeArgs ?? []), resolve(workspace, file), ...(options.args ?? [])]
  const child = spawn(options.node ?? process.execPath, args, {
    cwd: options.cwd ?? workspace,
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  children.add(child)
  const kill = (signal: NodeJS.Signals): void => void child.kill(signal)
  const lines: Array<string> = []
  const output = createInterface(child.stdout)
  output.on("line", (line) => {
    lines.push(line)
    options.onLine?.(line, kill)
  })
  let errors = ""
  child.stderr.setEncoding("utf8").on("data", (chunk) => (errors += String(chunk)))
  const ended = new Promise<Ran>((settle, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => {
      children.delete(child)
      settle({ lines, errors, code, signal })
    })
  })
  const prints = async (text: string): Promise<string> => {
    const find = () => lines.find((line) => line.includes(text))
    const over = ended.then(() => true)
    for (let found = find(); ; found = find()) {
      if (found !== undefined) return found
      if (await Promise.race([over, once(output, "line").then(() => false)])) {
        throw new Error(`The program ended without "${text}" in its output.\n${lines.join("\n")}\n${errors}`)
      }
    }
  }
  // A program that can't be started has no number, and `ended` rejects.
  return { pid: child.pid ?? 0, kill, prints, ended }
}
