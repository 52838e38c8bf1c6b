/** Workers without a thread are named as busy when they take no messages. */
import { Context, Effect, Option } from "effect"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { type BusyWorker, BusyWatch, type WatchedWorker } from "../src/internal/host/busyWatch.ts"
import * as ControlBlock from "../src/internal/wire/controlBlock.ts"

// Time is virtual, so no test waits.
beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] }))
afterEach(() => void vi.useRealTimers())

class FakeWorker implements WatchedWorker {
  readonly threadId = 7
  readonly control = ControlBlock.make(1)
  readonly unwind = { _tag: "SectionsAndOtherCode" } as const
  tasks: ReadonlySet<{ readonly name: string }> = new Set([{ name: "Spin" }])
  isReady = true
  isGone = false
  /** How many messages the worker was sent. */
  sent = 0
  isBlocked = true
  private readonly found: Option.Option<string>
  /** Called when the watch looks for the stack. */
  onLocate: () => void = () => {}

  constructor(stack: Option.Option<string> = Option.some("    at spin (tasks.ts:1:1)")) {
    this.found = stack
  }

  readonly wake = (): void => {
    this.sent++
    if (!this.isBlocked) this.goOn()
  }

  /** The worker takes the messages that wait. */
  goOn(): void {
    ControlBlock.beat(this.control)
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return Effect.sync(() => {
      this.onLocate()
      return this.found
    })
  }
}

const watching = (worker: FakeWorker): [BusyWatch, Array<BusyWorker>] => {
  const named: Array<BusyWorker> = []
  const watch = new BusyWatch(1000, Context.empty(), (busy) => void named.push(busy))
  watch.add(worker)
  return [watch, named]
}

/** Longer than the longest time until a worker is named. */
const pass = (millis = 1500): void => void vi.advanceTimersByTime(millis)

describe("BusyWatch", () => {
  it("names a worker that takes no message after the time limit, with its tasks and its stack", () => {
    const [, named] = watching(new FakeWorker())
    pass(1249)
    expect(named).toEqual([])
    pass(1)
    expect(named).toEqual([
      {
        threadId: 7,
        tasks: ["Spin"],
        millis: 1000,
        stack: "    at spin (tasks.ts:1:1)",
        message: 'The worker "worker-7" has taken no message for 1 seconds. It runs "Spin":\n    at spin (tasks.ts:1:1)'
      }
    ])
  })

  it("names a worker once until it takes a message again", () => {
    const worker = new FakeWorker()
    const [watch, named] = watching(worker)
    for (let round = 1; round <= 3; round++) {
      pass(10_000)
      expect([named.length, watch.blocked]).toEqual([round, 1])
      worker.goOn()
      expect(watch.blocked).toBe(0)
    }
  })

  it("names no worker that takes messages, has no task, is not ready or has ended, and drops ended workers", () => {
    const worker = new FakeWorker()
    const [, named] = watching(worker)
    worker.isBlocked = false
    pass()
    worker.isBlocked = true
    worker.isReady = false
    pass()
    worker.isReady = true
    worker.tasks = new Set()
    pass()
    const { sent } = worker
    worker.tasks = new Set([{ name: "Spin" }])
    worker.isGone = true
    pass()
    worker.isGone = false
    pass()
    expect([named.length, worker.sent]).toEqual([0, sent])
  })

  it("reports the reason if a worker has no stack, and names no worker that has continued before the check", () => {
    const worker = new FakeWorker(Option.none())
    const [, named] = watching(worker)
    worker.onLocate = () => worker.goOn()
    pass()
    expect(named).toEqual([])
    worker.onLocate = () => {}
    pass()
    expect(named.map(({ message, stack }) => [message.split(". ").at(-1), stack])).toEqual([
      ["It has no stack that could be read, because it is in native code or waits blocked", undefined]
    ])
  })

  it("names five tasks and counts the others", () => {
    const worker = new FakeWorker()
    const [, named] = watching(worker)
    worker.tasks = new Set(["a", "b", "c", "d", "e", "f", "g"].map((name) => ({ name })))
    pass()
    expect(named[0]?.message).toContain('It runs "a", "b", "c", "d", "e", 2 more:')
  })

  it("names nothing after its close, and leaves no timer", async () => {
    const [watch, named] = watching(new FakeWorker())
    pass(1000)
    await Effect.runPromise(watch.close)
    pass()
    expect([named.length, vi.getTimerCount()]).toEqual([0, 0])
  })
})
