/** The leases of a thread at a runner, in the report of the client. The runner numbers them in the order of their acquires. */
import type * as ThreadAdapter from "@quiesce/core/adapter"
import type { LeaseEnd } from "../wire/outcome.ts"

type Cell = ThreadAdapter.RemoteThread<unknown, unknown>

export class RemoteLeases {
  private readonly cell: Cell
  /** Ends the leases that are held, by the runner's numbers. */
  private readonly held = new Map<number, ReturnType<Cell["enter"]>>()
  private last = -1

  constructor(cell: Cell) {
    this.cell = cell
  }

  /** An event that comes again after an attachment is known already. */
  acquired(lease: number, name: string): void {
    if (lease <= this.last) return
    this.last = lease
    this.held.set(lease, this.cell.enter(name))
  }

  ended({ error, lease, result }: LeaseEnd): void {
    this.held.get(lease)?.(result, error)
    this.held.delete(lease)
  }

  /** Ends the leases that are still held. */
  endRest(result: LeaseEnd["result"]): void {
    for (const lease of this.held.keys()) this.ended({ lease, result, error: null })
  }

  /** Another start of the body begins with the first number again. */
  beginAgain(): void {
    this.endRest("lost")
    this.last = -1
  }
}
