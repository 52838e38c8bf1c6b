/** The leases of one task that its worker holds and reports, by the worker's numbers. */
import type * as ThreadAdapter from "@quiesce/core/adapter"
import type { LeaseResult } from "@quiesce/core/adapter"

interface Mirrored {
  readonly name: string
  readonly end: ReturnType<ThreadAdapter.RemoteThread<unknown, unknown>["enter"]>
}

export class MirroredLeases {
  private readonly leases: Map<number, Mirrored> = new Map()

  get size(): number {
    return this.leases.size
  }

  /** The names of the held leases, the latest first. */
  get names(): ReadonlyArray<string> {
    return Array.from(this.leases.values(), ({ name }) => name).toReversed()
  }

  has(lease: number): boolean {
    return this.leases.has(lease)
  }

  add(lease: number, name: string, end: Mirrored["end"]): void {
    this.leases.set(lease, { name, end })
  }

  /** False for an unknown lease. */
  end(lease: number, result: LeaseResult, error: string | null): boolean {
    this.leases.get(lease)?.end(result, error)
    return this.leases.delete(lease)
  }
}
