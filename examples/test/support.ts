/** Runs examples in tests: in virtual time in the test's process, or in real time in a process of their own. */
import { spawn } from "node:child_process"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"
import { Console, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"

export const workspace = join(import.meta.dirname, "../..")

/** Runs a program in virtual time. Gives the printed lines and the program's result. */
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
  readonly code: number | null
}

/**
 * Runs a file with the Node of the test, or with `node`, and waits for its end. `file` is relative to the workspace.
 * `onLine` receives each printed line and can send a signal to the program.
 */
export const runFile = (
  file: string,
  options: {
    readonly node?: string
    readonly nodeArgs?: ReadonlyArray<string>
    readonly args?: ReadonlyArray<string>
    readonly cwd?: string
    readonly env?: Readonly<Record<string, string>>
    readonly onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void
  } = {}
): Promise<Ran> =>
  new Promise((settle, reject) => {
    const args = [...(options.nodeArgs ?? []), resolve(workspace, file), ...(options.args ?? [])]
    const child = spawn(options.node ?? process.execPath, args, {
      cwd: options.cwd ?? workspace,
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
    child.on("close", (code) => settle({ lines, errors, code }))
  })
