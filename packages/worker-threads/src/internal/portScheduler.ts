/**
 * Runs fibers in port messages, so that what ends one of them by force takes nothing else with it.
 *
 * Effect's default scheduler runs a batch of tasks in one immediate, and a fiber that a promise or a timer wakes runs
 * on right there; an end would drop the rest of that batch, or of the microtasks. Here a message runs a batch, too, but
 * what is behind the task that was ended is still in line, and the message that goes on with it has been sent before.
 *
 * Invariants:
 * 1. While tasks are in line, and while one of them runs that has others behind it, a message is under way.
 * 2. A task is taken out of the line before it runs: the oldest of those with the lowest priority number.
 * 3. A fiber that is started or woken outside a task does nothing but queue itself; so does one that is woken in a task
 *    in which another runs. Whoever wakes several, one after another, is thus through with it before one of them can be
 *    ended by force: an end cuts short only the fiber whose turn it is, and those that it has started.
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

/** How many tasks that were taken are let go of at a time, in a line that is never empty. */
const keptTaken = 1024

/** After which time a batch gives way to messages, timers and promises. */
const budgetMillis = 0.5

export class PortScheduler implements Scheduler.Scheduler {
  readonly executionMode: "async" = "async"
  private readonly sender: MessagePort
  private readonly receiver: MessagePort
  private readonly buckets: Array<Bucket> = []
  private queued = 0
  /** Whether a message is under way. */
  private isDue = false
  /** Whether the code that asks runs in a task; stale after an end by force, until `reset`. */
  private inTask = false
  /** The first fiber that ran in this task; undefined as long as none did. */
  private occupant: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** The id of the latest fiber that has begun. Ids rise. */
  private newest = 0
  /** Called outside tasks, before each. */
  beforeTask: () => void = () => {}
  /** Called at the beginning of a message, to put more in line. */
  beforeLine: () => void = () => {}

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.sender = port1
    this.receiver = port2
    port2.on("message", this.onMessage)
    port2.unref()
  }

  get isInTask(): boolean {
    return this.inTask
  }

  /** A task was ended by force. */
  reset(): void {
    this.inTask = false
    this.occupant = undefined
  }

  close(): void {
    this.receiver.close()
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (fiber.currentOpCount === 1) return this.mustQueue(fiber)
    return !this.inTask || fiber.currentOpCount >= fiber.cache.maxOpsBeforeYield
  }

  /** Asked of a fiber that begins or goes on. */
  private mustQueue(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    const isNew = fiber.id > this.newest
    if (isNew) this.newest = fiber.id
    if (!this.inTask) return true
    if (this.occupant === undefined) this.occupant = fiber
    return this.occupant !== fiber && !isNew
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

  private runNext(): void {
    const bucket = this.buckets.find(({ tasks, taken }) => taken < tasks.length)
    if (bucket === undefined) return
    const task = bucket.tasks[bucket.taken++]!
    if (bucket.taken === bucket.tasks.length || bucket.taken === keptTaken) {
      bucket.tasks.splice(0, bucket.taken)
      bucket.taken = 0
    }
    this.queued--
    const { inTask, occupant } = this
    this.inTask = true
    this.occupant = undefined
    try {
      task()
    } finally {
      this.inTask = inTask
      this.occupant = occupant
    }
  }
}
