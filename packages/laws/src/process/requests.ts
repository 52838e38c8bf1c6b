/** The requests that a thread has sent to its process, and the operations of the ladder that take real time. */
import * as ThreadAdapter from "@quiesce/core/adapter"
import type { Thread } from "@quiesce/core/Thread"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

export class Requests {
  /** The messages to the process: one for a stop, and one for the first interrupt. */
  sent = 0
  private isInterrupted = false
  private isDying = false
  private locating = 0
  private readonly changed: () => void

  constructor(changed: () => void) {
    this.changed = changed
  }

  get isUnderWay(): boolean {
    return this.isDying || this.locating > 0
  }

  /** The process has ended. */
  over(): void {
    this.isDying = false
  }

  /** Observes the controls of a thread. */
  watch(thread: Thread<unknown, unknown>): void {
    const controls = ThreadAdapter.controlsOf(thread)
    const watched = new Proxy(controls, {
      get: (target, key) => {
        if (key === "requestStop") return this.counting(target.requestStop.bind(target), () => this.sent++)
        if (key === "requestInterrupt") return this.counting(target.requestInterrupt.bind(target), () => this.first())
        if (key === "kill") return Option.map(target.kill, (kill) => this.counting(kill, () => (this.isDying = true)))
        if (key === "locate") return this.whileLocating(target.locate)
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === "function" ? value.bind(target) : value
      }
    })
    Object.assign(thread, { controls: watched })
  }

  private first(): void {
    if (!this.isInterrupted) this.sent++
    this.isInterrupted = true
  }

  private counting<A>(
    request: (argument: A) => Effect.Effect<void>,
    count: () => unknown
  ): (argument: A) => Effect.Effect<void> {
    return (argument) =>
      Effect.suspend(() => {
        count()
        return request(argument)
      })
  }

  private whileLocating<A>(locate: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.suspend(() => {
      this.locating++
      return Effect.ensuring(
        locate,
        Effect.sync(() => {
          this.locating--
          this.changed()
        })
      )
    })
  }
}
