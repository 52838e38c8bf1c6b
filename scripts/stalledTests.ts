/**
 * A reporter of vitest that ends test files which block their own process. Vitest's limits are timers in that process,
 * so a call that blocks for ever would prevent the end of the whole run. Vitest reports an ended process as an error
 * and continues with the other files.
 */
import { spawnSync } from "node:child_process"
import { relative } from "node:path"
import type { Reporter, TestModule } from "vitest/node"

/** Longer than the limit of one test in vitest.workspace.ts, in milliseconds. */
const patience = 480_000

/** The processes in which vitest runs test files. Without ps, as on Windows, they can't be found. */
const runners = (): ReadonlyArray<number> => {
  const { error, stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8", timeout: 10_000 })
  if (error !== undefined) return []
  return stdout
    .split("\n")
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .filter((match) => Number(match?.[2]) === process.pid && match?.[3]?.includes("vitest") === true)
    .map((match) => Number(match?.[1]))
}

export default class StalledTests implements Reporter {
  readonly #running = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  onTestModuleStart({ moduleId }: TestModule): void {
    this.#running.add(moduleId)
    this.#restart()
  }

  onTestCaseReady(): void {
    this.#restart()
  }

  onTestCaseResult(): void {
    this.#restart()
  }

  onUserConsoleLog(): void {
    this.#restart()
  }

  onTestModuleEnd({ moduleId }: TestModule): void {
    this.#running.delete(moduleId)
    this.#restart()
  }

  onTestRunEnd(): void {
    clearTimeout(this.#timer)
  }

  #restart(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#end(), patience).unref()
  }

  #end(): void {
    const files = [...this.#running].map((file) => relative(process.cwd(), file)).join(", ")
    console.error(`No test has begun or ended for ${patience / 60_000} minutes. These files are ended: ${files}`)
    for (const pid of runners()) process.kill(pid, "SIGKILL")
    this.#restart()
  }
}
