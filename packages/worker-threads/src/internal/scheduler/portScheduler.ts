/**
 * Runs fibers in port messages, so that ending one fiber by force loses no other work.
 *
 * Effect's default scheduler runs a batch of tasks in one immediate. A fiber that a promise or a timer wakes runs in the
 * callback of the promise or the timer. Ending code there would drop the rest of the batch, or the other microtasks. Here a
 * message runs a batch, too, but the tasks behind an ended task stay queued, and the next message has been sent before.
 *
 * Invariants:
 * 1. While tasks are queued, and while a task runs with others behind it, a message is under way.
 * 2. Tasks leave the queue in batches, each task before it runs: the oldest with the lowest priority number first. New tasks
 *    join the next batch, so that repeated work can't starve other tasks.
 * 3. A fiber that is started outside a task only queues itself.
 * 4. A woken fiber resumes in a task of its own (`deferredResume.ts`).
 * 5. After a task that was ended by force, errors have as many frames as before the task. Core and Effect change that number
 *    for a moment, and the task may be ended in that moment.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import * as DeferredResume from "./deferredResume.ts"

interface Bucket {
  readonly priority: number
  readonly tasks: Array<() => void>
  /** The number of tasks that have left the queue. */
  taken: number
}

/** The time after which the queue gives way to messages, timers and promises. */
const budgetMillis = 0.5

export class PortScheduler implements Scheduler.Scheduler {
  readonly executionMode: "async" = "async"
  /** Undefined if fibers can't be resumed later. */
  readonly "~@quiesce/worker-threads/DeferredResume": DeferredResume.OnTheSpot | undefined
  private readonly sender: MessagePort
  private readonly receiver: MessagePort
  /** The batch that runs now, and the tasks of the next batch, in the order of their priorities. */
  private batch: Array<Bucket> = []
  private buckets: Array<Bucket> = []
  /** The number of queued tasks. */
  private queued = 0
  /** Whether a message is under way. */
  private isDue = false
  /** The current task. Stale after an end by force, until `reset`. */
  private task: (() => void) | undefined = undefined
  /** The number of frames of errors before the current task. */
  private stackTraceLimit: number = Error.stackTraceLimit
  /** The number of interrupted fibers that run at once instead of in a task. Stale like `task`. */
  private onTheSpot = 0
  /** Called before each task. */
  beforeTask: () => void = () => {}
  /** Called in each message. Runs the queue, and perhaps further tasks before and after. */
  serve: () => void = () => this.runLine()

  constructor() {
    this[DeferredResume.key] = DeferredResume.install() === undefined ? this.runOnTheSpot : undefined
    const { port1, port2 } = new MessageChannel()
    this.sender = port1
    this.receiver = port2
    port2.on("message", this.onMessage)
    port2.unref()
  }

  get currentTask(): (() => void) | undefined {
    return this.task
  }

  /** Forgets a task that was ended by force. */
  reset(): void {
    if (this.task !== undefined) Error.stackTraceLimit = this.stackTraceLimit
    this.task = undefined
    this.onTheSpot = 0
  }

  close(): void {
    this.receiver.close()
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return (this.task === undefined && this.onTheSpot === 0) || fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return {
      scheduleTask: (task, priority) => {
        this.add(task, priority)
        this.call()
      },
      flush: () => {
        while (this.queued > 0) this.runNext()
      }
    }
  }

  /** Queues a task. The caller runs the queue at the end of a message. */
  add(task: () => void, priority: number): void {
    const { buckets } = this
    this.queued++
    const last = buckets.at(-1)
    if (last?.priority === priority) return void last.tasks.push(task)
    const index = buckets.findIndex((bucket) => bucket.priority >= priority)
    const found = buckets[index]
    if (found?.priority === priority) found.tasks.push(task)
    else buckets.splice(index < 0 ? buckets.length : index, 0, { priority, tasks: [task], taken: 0 })
  }

  /** Runs the queued tasks. Must be the last step in the handler of a port message. */
  runLine(): void {
    // The last task may have been ended by force.
    this.reset()
    let left = this.queued
    const end = performance.now() + budgetMillis
    while (left > 0) {
      if (left > 1) this.call()
      this.beforeTask()
      this.runNext()
      left = Math.min(left - 1, this.queued)
      if (left % 8 === 1 && performance.now() > end) break
    }
    if (this.queued > 0) this.call()
  }

  /** Sends a message that runs the queue. */
  call(): void {
    if (this.isDue) return
    this.isDue = true
    this.receiver.ref()
    this.sender.postMessage(null)
  }

  private readonly onMessage = (): void => {
    this.isDue = false
    this.receiver.unref()
    this.serve()
  }

  private readonly runOnTheSpot: DeferredResume.OnTheSpot = (piece) => {
    this.onTheSpot++
    try {
      piece()
    } finally {
      this.onTheSpot--
    }
  }

  private runNext(): void {
    const task = this.take()
    if (task === undefined) return
    this.queued--
    const outer = this.task
    if (outer === undefined) this.stackTraceLimit = Error.stackTraceLimit
    this.task = task
    try {
      task()
    } finally {
      this.task = outer
    }
  }

  private take(): (() => void) | undefined {
    if (this.batch.length === 0) {
      this.batch = this.buckets
      this.buckets = []
    }
    const bucket = this.batch[0]
    if (bucket === undefined) return undefined
    const task = bucket.tasks[bucket.taken++]
    if (bucket.taken === bucket.tasks.length) this.batch.shift()
    return task
  }
}
