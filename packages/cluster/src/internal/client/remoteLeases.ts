/** The leases of a thread at a runner, in the report of the client. The runner numbers them in the order of their acquires. */
import type * as ThreadAdapter from "@quiesce/core/adapter"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as LeaseStore from "../store/leaseStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import type { LeaseEnd } from "../wire/outcome.ts"

type Remote = ThreadAdapter.RemoteThread<unknown, unknown>

export class RemoteLeases {
  private readonly thread: Remote
  /** The leases that are held, by the runner's numbers. */
  private readonly held = new Map<number, { readonly name: string; readonly end: ReturnType<Remote["enter"]> }>()
  private last = -1

  constructor(thread: Remote) {
    this.thread = thread
  }

  /** An event that comes again after an attachment is known already. */
  acquired(lease: number, name: string): void {
    if (lease <= this.last) return
    this.last = lease
    this.held.set(lease, { name, end: this.thread.enter(name) })
  }

  ended({ error, lease, result }: LeaseEnd): void {
    this.held.get(lease)?.end(result, error)
    this.held.delete(lease)
  }

  /** Ends the leases that are still held. */
  endRest(result: LeaseEnd["result"]): void {
    for (const lease of this.held.keys()) this.ended({ lease, result, error: null })
  }

  /**
   * Adds the leases that have a row in the store and are not known here: the runner was gone before it reported them. Does
   * without the rows if the store does not answer within a second.
   */
  addRows(store: ThreadStore, thread: string): Effect.Effect<void> {
    const rows = Effect.timeoutOption(LeaseStore.namesOf(store, thread), "1 second")
    return Effect.ignore(Effect.map(rows, (names) => this.addNames(Option.getOrElse(names, () => []))))
  }

  private addNames(names: ReadonlyArray<string>): void {
    const known = Array.from(this.held.values(), ({ name }) => name)
    for (const name of names) {
      const index = known.indexOf(name)
      if (index === -1) this.acquired(this.last + 1, name)
      else known.splice(index, 1)
    }
  }

  /** Another start of the body begins with the first number again. */
  beginAgain(): void {
    this.endRest("lost")
    this.last = -1
  }
}
