/**
 * Runs fibers in port messages, so that what ends one of them by force takes nothing else with it.
 *
 * Effect's default scheduler runs a batch of tasks in one immediate, and a fiber that a promise or a timer wakes runs
 * on right there; an end would drop the rest of that batch, or of the microtasks. Here a message runs a batch, too, but
 * what is behind the task that was ended is still in line, and the message that goes on with it has been sent before.
 *
 * Invariants:
 * 1. While tasks are in line, and while one of them runs that has others behind it, a message is under way.
 * 2. Tasks are taken out of the line, each before it runs, in batches: of a batch the oldest with the lowest priority
 *    number. What is put in line meanwhile is for the next one, so nothing waits for ever for what comes again and again.
 * 3. A fiber that is started outside a task does nothing but queue itself.
 * 4. A fiber that is woken goes on in a turn of its own, wherever it is woken (`deferredResume.ts`).
 */
import { MessageChannel, type MessagePort } from "node:worker_threads"
import type * as Fiber from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import * as DeferredResume from "./deferredResume.ts"

interface Bucket {
  readonly priority: number
  readonly tasks: Array<() => void>
  /** Of `tasks`, how many have been taken. */
  taken: number
}

/** After which time the line gives way to messages, timers and promises. */
const budgetMillis = 0.5

export class PortScheduler implements Scheduler.Scheduler {
  readonly executionMode: "async" = "async"
  /** Undefined where fibers can't be given turns. */
  readonly "~@quiesce/worker-threads/DeferredResume": DeferredResume.OnTheSpot | undefined
  private readonly sender: MessagePort
  private readonly receiver: MessagePort
  /** What is run next, and what is in line behind all of that; in the order of their priorities. */
  private batch: Array<Bucket> = []
  private buckets: Array<Bucket> = []
  /** How many are in line. */
  private queued = 0
  /** Whether a message is under way. */
  private isDue = false
  /** The task that the code that asks runs in; stale after an end by force, until `reset`. */
  private task: (() => void) | undefined = undefined
  /** How many fibers run on the spot, because they have been interrupted; stale like `task`. */
  private onTheSpot = 0
  /** Called outside tasks, before each. */
  beforeTask: () => void = () => {}
  /** Called at the beginning of a message, to put more in line. */
  beforeLine: () => void = () => {}

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

  /** A task was ended by force. */
  reset(): void {
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

  /** Puts a task in line; whoever does so runs the line, at the end of a message. */
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

  /** Runs what is in line now. Must be the last thing that the handler of a port message does. */
  runLine(): void {
    // A task may have been ended by force before this.
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

  /** Has a message sent that runs the line. */
  call(): void {
    if (this.isDue) return
    this.isDue = true
    this.receiver.ref()
    this.sender.postMessage(null)
  }

  private readonly onMessage = (): void => {
    this.isDue = false
    this.receiver.unref()
    this.beforeLine()
    this.runLine()
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
