/** The live threads of a client. They end with the scope of the client, also if they were spawned in another scope. */
import type * as ThreadAdapter from "@quiesce/core/adapter"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"

type Remote = ThreadAdapter.RemoteThread<unknown, unknown>

export class LiveThreads {
  private readonly threads = new Set<Remote>()
  private ending: CancelReason.CancelReason | undefined = undefined

  /** The reason of the client's end. A thread that begins after that has ended before it is sent to a runner. */
  get reason(): CancelReason.CancelReason | undefined {
    return this.ending
  }

  add(thread: Remote): void {
    this.threads.add(thread)
  }

  delete(thread: Remote): void {
    this.threads.delete(thread)
  }

  /** Ends all threads at the same time, each by its own escalation. `exit` is the exit of the scope. */
  end(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const reason = (this.ending = Option.getOrElse(CancelReason.fromExit(exit), () => scopeClosed))
      return Effect.forEach(Array.from(this.threads), (thread) => thread.end(reason), {
        concurrency: "unbounded",
        discard: true
      })
    })
  }
}

const scopeClosed = CancelReason.parentEnded("ClusterThreads", { message: "The scope of the client has closed" })
