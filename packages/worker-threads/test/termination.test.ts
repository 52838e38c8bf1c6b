import { EventEmitter, once } from "node:events"
import type { Worker } from "node:worker_threads"
import { afterEach, expect, it, vi } from "vitest"
import { Termination } from "../src/internal/host/termination.ts"

afterEach(() => vi.useRealTimers())

/** A worker in native code. As in Node, each termination adds a listener to the exit. */
class StuckWorker extends EventEmitter {
  terminations = 0

  terminate(): Promise<number> {
    this.terminations++
    return once(this, "exit").then(() => 1)
  }
}

it("a worker that survives its terminations makes Node print no warning, and keeps the user's limit of listeners", () => {
  vi.useFakeTimers()
  const warnings: Array<Error> = []
  const warn = vi.spyOn(process, "emitWarning").mockImplementation((warning) => void warnings.push(warning as Error))
  const worker = new StuckWorker()
  const termination = new Termination(worker as unknown as Worker, {
    withoutHalt: (then) => then(),
    disconnect: () => {},
    endThreads: () => {}
  })
  for (let own = 0; own < 10; own++) worker.on("exit", () => {})
  termination.begin()
  vi.advanceTimersByTime(60_000)
  termination.over()
  warn.mockRestore()
  expect(worker.terminations).toBe(8)
  expect(warnings).toEqual([])
})
