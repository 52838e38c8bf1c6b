/** How the examples are run in tests: in virtual time within this process, or for real in one of their own. */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Console, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"

export const workspace = join(import.meta.dirname, "../..")

/** Runs a program in virtual time, and gives what it printed and its result. */
export const runVirtually = <A, E>(
  program: Effect.Effect<A, E>
): Promise<{ readonly lines: ReadonlyArray<string>; readonly result: A }> => {
  const lines: Array<string> = []
  const console: Console.Console = Object.assign(Object.create(globalThis.console), {
    log: (line: string) => lines.push(line)
  })
  return Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(program)
    // In small steps, so that all threads have come to their next wait before the time goes on.
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 millis")
    return { lines, result: yield* Fiber.join(fiber) }
  }).pipe(Effect.provide(TestClock.layer()), Effect.provideService(Console.Console, console), Effect.runPromise)
}

/** What became of a Node program that has ended. */
export interface Ran {
  readonly lines: ReadonlyArray<string>
  readonly errors: string
  readonly code: number | null
}

/** Runs a file with this Node, or another, and waits for its end. `onLine` sees what it prints, and can end it. */
export const runFile = (
  file: string,
  options: {
    readonly node?: string
    readonly nodeArgs?: ReadonlyArray<string>
    readonly args?: ReadonlyArray<string>
    readonly env?: Readonly<Record<string, string>>
    readonly onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void
  } = {}
): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const args = [...(options.nodeArgs ?? []), file, ...(options.args ?? [])]
    const child = spawn(options.node ?? process.execPath, args, {
      cwd: workspace,
      env: { ...process.env, NODE_NO_WARNINGS: "1", ...options.env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const lines: Array<string> = []
    let errors = ""
    createInterface(child.stdout).on("line", (line) => {
      lines.push(line)
      options.onLine?.(line, (signal) => child.kill(signal))
    })
    child.stderr.setEncoding("utf8").on("data", (chunk) => (errors += String(chunk)))
    child.on("error", reject)
    child.on("close", (code) => resolve({ lines, errors, code }))
  })
