/**
 * The errors that the host raises in one task of a worker.
 *
 * Invariant: each error gets one answer, by the worker, by its withdrawal, or by the end of the task.
 */
import * as Effect from "effect/Effect"
import type { ToWorker } from "../wire/message.ts"

/** The task. */
export interface Receiver {
  readonly id: number
  readonly isOver: boolean
  /** Sends a message at the end of the turn. False unless the task runs. */
  readonly send: (message: ToWorker) => boolean
  readonly encodeError: (error: unknown) => unknown
}

let lastRaise = 0

export class RemoteRaises {
  private readonly task: Receiver
  private readonly answers: Map<number, (delivered: boolean) => void> = new Map()
  /** The raises that the worker may deliver. */
  private committed: Set<number> | undefined = undefined
  /** Errors that were raised while the task was queued. */
  private unsent: Map<number, unknown> | undefined = undefined

  constructor(task: Receiver) {
    this.task = task
  }

  raise(error: unknown, pending?: (withdraw: () => void) => void): Effect.Effect<boolean> {
    return Effect.callback((resume) => {
      if (this.task.isOver) return resume(Effect.succeed(false))
      const raise = ++lastRaise
      this.answers.set(raise, (delivered) => resume(Effect.succeed(delivered)))
      if (!this.send(raise, error)) (this.unsent ??= new Map<number, unknown>()).set(raise, error)
      pending?.(() => (this.withdraw(raise) ? resume(Effect.succeed(false)) : undefined))
      return Effect.sync(() => {
        if (!this.withdraw(raise)) this.answer(raise, false)
      })
    })
  }

  private send(raise: number, error: unknown): boolean {
    const { id } = this.task
    return this.task.send({ _tag: "Raise", id, raise, error: this.task.encodeError(error) })
  }

  /** The task runs: sends the errors from before. */
  sendUnsent(): void {
    for (const [raise, error] of this.unsent ?? []) this.send(raise, error)
    this.unsent = undefined
  }

  /** The worker asks whether to deliver an error. The `Withdraw` of a withdrawn error is under way. */
  reserved(raise: number): void {
    if (!this.answers.has(raise)) return
    ;(this.committed ??= new Set<number>()).add(raise)
    this.task.send({ _tag: "Commit", raise })
  }

  answer(raise: number, delivered: boolean): void {
    this.committed?.delete(raise)
    this.answers.get(raise)?.(delivered)
    this.answers.delete(raise)
  }

  /** The task has ended. */
  end(): void {
    for (const answer of this.answers.values()) answer(false)
  }

  /** False if the error has its answer or is committed. The worker alone knows the outcome of a committed error. */
  private withdraw(raise: number): boolean {
    if (this.committed?.has(raise) === true || !this.answers.delete(raise)) return false
    if (this.unsent?.delete(raise) !== true) this.task.send({ _tag: "Withdraw", raise })
    return true
  }
}
