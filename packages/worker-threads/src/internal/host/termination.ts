/**
 * Terminates a worker, again and again until the worker has ended.
 *
 * If an unwind reaches the worker at the same moment, V8 resumes the worker and drops the termination with it. Code
 * that runs next would then never end. The termination is therefore repeated until the worker is gone or may be inside
 * native code.
 *
 * Node aborts the whole process if an inspector command is pending while a worker is torn down. The inspector is
 * therefore disconnected first, and a worker that ends by itself is not terminated.
 *
 * Invariants:
 * 1. At most one repetition is scheduled.
 * 2. No number of terminations makes Node warn of too many listeners. Each adds a listener to the worker's exit.
 * 3. The fast path of `JSON.stringify` is off from the first termination until the worker is gone.
 */
import type { Worker } from "node:worker_threads"
import * as Option from "effect/Option"
import type { WorkerInspector } from "../unwind/host/workerInspector.ts"
import * as StringifyFastPath from "../wire/stringifyFastPath.ts"

/** How long a worker may outlive its port, in milliseconds. */
const graceMillis = 500

/**
 * From this termination on, the inspector ends threads, too: a worker ends only after the threads below. The pause before
 * keeps its requests away from a worker that is just ending.
 */
const attemptWithInspector = 3

/** How often a termination is repeated, and the first pause in milliseconds. Each pause is twice the one before. */
const attempts = 8
const firstMillis = 25

/** How many listeners the toolkit adds to a worker's exit besides. */
const ownListeners = 2

/** The inspector's part in the end of a worker. */
export interface InspectorAtEnd {
  /** Calls back when the worker can't come to a halt any more. */
  readonly withoutHalt: (then: () => void) => void
  /** Closes the inspector session of the worker. */
  readonly disconnect: () => void
  /** Ends the code of the worker and of the threads below the worker, which may be halted. */
  readonly endThreads: () => void
}

/** The part of an inspector that a worker may lack. `threads` are the threads of the worker. */
export const atEnd = (
  inspector: Option.Option<WorkerInspector>,
  threads: () => Parameters<WorkerInspector["endOrphans"]>[0]
): InspectorAtEnd =>
  Option.match(inspector, {
    onNone: () => ({ withoutHalt: (then) => then(), disconnect: () => {}, endThreads: () => {} }),
    onSome: (found) => ({
      withoutHalt: (then) => found.withoutHalt(then),
      disconnect: () => found.close(),
      endThreads: () => found.endOrphans(threads())
    })
  })

export class Termination {
  private readonly worker: Worker
  private readonly inspector: InspectorAtEnd
  private phase: "Running" | "Preparing" | "Terminating" | "Gone" = "Running"
  private timer: NodeJS.Timeout | undefined = undefined
  private turnFastPathOn: (() => void) | undefined = undefined
  private late: NodeJS.Timeout | undefined = undefined

  constructor(worker: Worker, inspector: InspectorAtEnd) {
    this.worker = worker
    this.inspector = inspector
    const most = worker.getMaxListeners()
    // 0 stands for no limit.
    if (most > 0) worker.setMaxListeners(most + attempts + ownListeners)
  }

  /** Terminates the worker now, in the middle of any code. */
  begin(): void {
    if (this.phase === "Terminating" && this.timer === undefined) this.terminateUntilEnded(1)
    if (this.phase !== "Running") return
    this.phase = "Preparing"
    this.turnFastPathOn = StringifyFastPath.turnOff()
    this.inspector.withoutHalt(() => {
      if (this.phase !== "Preparing") return
      this.phase = "Terminating"
      this.inspector.disconnect()
      this.terminateUntilEnded(1)
    })
  }

  /** The worker's port has closed, so the worker is probably ending: waits before terminating it. */
  beginAfterGrace(): void {
    this.late ??= setTimeout(() => this.begin(), graceMillis).unref()
  }

  /** The worker is gone. */
  over(): void {
    this.phase = "Gone"
    clearTimeout(this.timer)
    clearTimeout(this.late)
    this.turnFastPathOn?.()
  }

  private terminateUntilEnded(attempt: number): void {
    this.timer = undefined
    void this.worker.terminate()
    if (attempt >= attemptWithInspector) this.inspector.endThreads()
    if (attempt < attempts)
      this.timer = setTimeout(() => this.terminateUntilEnded(attempt + 1), firstMillis * 2 ** attempt)
  }
}
