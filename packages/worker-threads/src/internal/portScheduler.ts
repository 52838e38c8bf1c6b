/**
 * Runs fibers in port messages, one task in each: what ends such a task by force takes nothing else with it.
 *
 * Effect's default scheduler runs a batch of tasks in one immediate, and a fiber that a promise or a timer wakes runs
 * on right there; an end would drop the rest of that batch, or of the microtasks.
 *
 * Invariants:
 * 1. A task has a message, and a message runs one task: the oldest of those with the lowest priority number.
 * 2. A fiber that is started or woken outside a task does nothing but queue itself.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"

interface Bucket {
  readonly priority: number
  readonly tasks: Array<() => void>
  /** Of `tasks`, how many have been taken. */
  taken: number
}

export class PortScheduler implements Scheduler.Scheduler {
  readonly executionMode: "async" = "async"
  private readonly sender: MessagePort
  private readonly receiver: MessagePort
  private readonly buckets: Array<Bucket> = []
  private queued = 0
  /** Whether the code that asks runs in a task; stale after an end by force, until `reset`. */
  private inTask = false

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.sender = port1
    this.receiver = port2
    port2.on("message", this.runOne)
    port2.unref()
  }

  get isInTask(): boolean {
    return this.inTask
  }

  /** A task was ended by force. */
  reset(): void {
    this.inTask = false
  }

  close(): void {
    this.receiver.close()
  }

  /** Runs `task` in a message of its own. */
  run(task: () => void): void {
    this.schedule(task, 0)
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return !this.inTask || fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return {
      scheduleTask: (task, priority) => this.schedule(task, priority),
      flush: () => {
        while (this.queued > 0) this.runOne()
      }
    }
  }

  private schedule(task: () => void, priority: number): void {
    const index = this.buckets.findIndex((bucket) => bucket.priority >= priority)
    const found = this.buckets[index]
    if (found?.priority === priority) found.tasks.push(task)
    else this.buckets.splice(index < 0 ? this.buckets.length : index, 0, { priority, tasks: [task], taken: 0 })
    if (++this.queued === 1) this.receiver.ref()
    this.sender.postMessage(null)
  }

  private readonly runOne = (): void => {
    const bucket = this.buckets.find(({ tasks, taken }) => taken < tasks.length)
    // A flush has run it.
    if (bucket === undefined) return
    const task = bucket.tasks[bucket.taken++]!
    if (bucket.taken === bucket.tasks.length) {
      bucket.tasks.length = 0
      bucket.taken = 0
    }
    if (--this.queued === 0) this.receiver.unref()
    const outer = this.inTask
    this.inTask = true
    try {
      task()
    } finally {
      this.inTask = outer
    }
  }
}
