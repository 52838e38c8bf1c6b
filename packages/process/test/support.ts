/** Runs programs in processes of their own, sends real signals to them, and collects their output. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach } from "vitest"

/** The end of a process and its output. */
interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly out: string
  readonly err: string
}

export interface Running {
  readonly child: ChildProcess
  /** The output so far. */
  readonly output: { readonly out: string; readonly err: string }
  /** Waits until stdout or stderr has the text, once more than before. */
  readonly prints: (text: string) => Promise<void>
  readonly kill: (signal: NodeJS.Signals) => void
  readonly ended: Promise<Ended>
}

export const fixture = (name: string): string => join(import.meta.dirname, "fixtures", `${name}.ts`)

interface Options {
  readonly args?: ReadonlyArray<string>
  /** The command before the path of Node, such as a wrapper. */
  readonly command?: ReadonlyArray<string>
  readonly detached?: boolean
  readonly env?: Readonly<Record<string, string>>
}

/** Starts a program among the fixtures on the Node of the test. */
export const start = (name: string, options: Options = {}): Running => {
  const [command, ...args] = [
    ...(options.command ?? []),
    process.execPath,
    fixture(name),
    ...(options.args ?? [])
  ] as unknown as [string, ...Array<string>] // a path is always given
  const child = spawn(command, args, {
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: options.detached ?? false
  })
  return observe(child)
}

/** The processes of the current test. After a timeout, the test waits for its processes no longer. */
const children = new Set<ChildProcess>()

afterEach(() => {
  for (const child of children) child.kill("SIGKILL")
})

/** Collects the output of a process, which is killed at the end of the test. */
export const observe = (child: ChildProcess): Running => {
  children.add(child)
  const output = { out: "", err: "" }
  const waiters = new Set<() => void>()
  const collect = (stream: NodeJS.ReadableStream | null, key: "out" | "err"): void => {
    stream?.setEncoding("utf8")
    stream?.on("data", (text: string) => {
      output[key] += text
      for (const waiter of waiters) waiter()
    })
  }
  collect(child.stdout, "out")
  collect(child.stderr, "err")
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => {
      children.delete(child)
      resolve({ code, signal, ...output })
    })
  })
  const seen = new Map<string, number>()
  const prints = (text: string): Promise<void> => {
    const times = (seen.get(text) ?? 0) + 1
    seen.set(text, times)
    const has = (): boolean => `${output.out}${output.err}`.split(text).length > times
    const found = new Promise<void>((resolve) => {
      const look = (): void => {
        if (!has()) return
        waiters.delete(look)
        resolve()
      }
      waiters.add(look)
      look()
    })
    const tooLate = async (): Promise<void> => {
      const { code, err, out, signal } = await ended
      if (!has())
        throw new Error(`The process ended (${code ?? signal}) without "${text}" in its output.\n${out}\n${err}`)
    }
    return Promise.race([found, tooLate()])
  }
  return { child, output, prints, kill: (signal) => void child.kill(signal), ended }
}

/**
 * Ends a program beside a worker in native code by two signals: Node has to write its coverage at the exit, so that the worker
 * holds up the exit after the first signal.
 */
export const endTwice = async (start: (env: Readonly<Record<string, string>>) => Running): Promise<Ended> => {
  const folder = mkdtempSync(join(tmpdir(), "quiesce-"))
  try {
    const program = start({ NODE_V8_COVERAGE: folder })
    await program.prints("ready")
    await program.prints("in native code")
    program.kill("SIGTERM")
    await program.prints("exiting")
    program.kill("SIGTERM")
    return await program.ended
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A word of a shell command. */
export const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
