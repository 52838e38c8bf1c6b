/**
 * The callers that wait for room in the queue of a pool, in the order of the queue.
 *
 * Invariant: an admitted caller has its place in the queue, until it has submitted its task or has given up.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Effect from "effect/Effect"
import type * as WorkerError from "../../WorkerError.ts"
import { TaskQueue, type Waiting } from "./taskQueue.ts"

type Outcome = Effect.Effect<void, WorkerError.WorkerError>

/** A caller that waits, or was admitted. */
export class Ticket implements Waiting {
  readonly name: string
  readonly task: string
  readonly priority: number
  waitingSince = 0
  state: "Waiting" | "Admitted" | "Over" = "Waiting"
  resume: (outcome: Outcome) => void = () => {}
  leave: () => void = () => {}

  constructor({ name, priority, task }: Caller) {
    this.name = name
    this.task = task
    this.priority = priority
  }
}

/** `task`: the name of the task in the contract. */
export interface Caller extends Pick<Waiting, "name" | "priority"> {
  readonly task: string
}

export class Admissions {
  private readonly waiting: TaskQueue<Ticket> = new TaskQueue()
  /** How many admitted callers have not submitted their task. */
  admitted = 0
  private readonly onLeft: (callers: ReadonlyArray<Caller>) => void

  /** `onLeft` is called when callers have left without a task. Callers that leave together are named together. */
  constructor(onLeft: (callers: ReadonlyArray<Caller>) => void) {
    this.onLeft = onLeft
  }

  get size(): number {
    return this.waiting.size
  }

  /** The waiting callers, in order. */
  get all(): ReadonlyArray<Ticket> {
    return this.waiting.all
  }

  /** Runs `use` once the caller is admitted. Interrupting the effect removes the caller. */
  wait<A, E, R>(
    caller: Caller,
    use: (ticket: Ticket) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | WorkerError.WorkerError, R> {
    return Effect.suspend(() => {
      const ticket = new Ticket(caller)
      const admitted = Effect.callback<void, WorkerError.WorkerError>((resume) => {
        ticket.resume = resume
        ticket.leave = this.waiting.add(ticket)
      })
      return Effect.ensuring(
        Effect.andThen(
          admitted,
          Effect.suspend(() => use(ticket))
        ),
        Effect.sync(() => this.giveUp(ticket))
      )
    })
  }

  /** Admits callers as long as there is room. */
  admit(room: number): void {
    for (let left = room; left > 0; left--) {
      const ticket = this.waiting.take()
      if (ticket === undefined) return
      ticket.state = "Admitted"
      this.admitted++
      ticket.resume(Effect.void)
    }
  }

  /** The caller submits its task. False if the caller was not admitted. */
  submitted(ticket: Ticket): boolean {
    if (ticket.state !== "Admitted") return false
    ticket.state = "Over"
    this.admitted--
    return true
  }

  private giveUp(ticket: Ticket): void {
    const isLeft = ticket.state === "Waiting" || this.submitted(ticket)
    if (!isLeft) return
    ticket.leave()
    ticket.state = "Over"
    this.onLeft([ticket])
  }

  /** All waiting callers fail. */
  refuse(error: WorkerError.WorkerError): void {
    this.end(Effect.fail(error))
  }

  /** All waiting callers are interrupted. Gives their number. */
  cancel(reason: CancelReason.CancelReason): number {
    return this.end(Effect.failCause(CancelReason.toCause(reason)))
  }

  private end(outcome: Outcome): number {
    const { all } = this
    for (const ticket of all) {
      ticket.leave()
      ticket.state = "Over"
    }
    for (const ticket of all) ticket.resume(outcome)
    if (all.length > 0) this.onLeft(all)
    return all.length
  }
}
