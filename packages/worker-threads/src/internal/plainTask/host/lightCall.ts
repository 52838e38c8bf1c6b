/**
 * A call of a plain function that has no options but its signal and its transfers. No part of such a call needs Effect.
 * Nothing here loads Effect.
 *
 * Invariant: the Promise of the call is settled once: here, or by the pool that takes over the call.
 */
import { abortListenerOf } from "@quiesce/core/internal/plainHost"
import type { Waiting } from "../../host/taskQueue.ts"
import { type Call, nameOf } from "../contract.ts"
import { unknownInCall } from "./optionNames.ts"
import type { RunOptions } from "./runOptions.ts"

const none: ReadonlyArray<never> = []

/** Whether a call with these options needs no Effect. A wrong value of an option is a matter of the pool. */
export const isLight = (options: RunOptions | undefined): boolean => {
  // A caller without types may give null.
  if (options === undefined || options === null) return true
  if (typeof options !== "object" || options instanceof AbortSignal) return false
  const { leases, name, onProgress, priority, runWithin, signal, transfer } = options
  if (leases !== undefined || name !== undefined || onProgress !== undefined) return false
  if (priority !== undefined || runWithin !== undefined || unknownInCall(options) !== undefined) return false
  return (signal === undefined || signal instanceof AbortSignal) && (transfer === undefined || Array.isArray(transfer))
}

export class LightCall implements Waiting, Call {
  /** 0 before the call has a worker. */
  id = 0
  readonly priority = 0
  waitingSince = 0
  readonly url: string
  input: unknown
  readonly reports = false
  transfers: ReadonlyArray<unknown>
  readonly signal: AbortSignal | undefined
  /** Removes the call from the queue. */
  leave: (() => void) | undefined = undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  private disarm: (() => void) | undefined = undefined

  constructor(
    url: string,
    input: unknown,
    options: RunOptions | undefined,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void
  ) {
    this.url = url
    this.input = input
    this.transfers = options?.transfer ?? none
    this.signal = options?.signal
    this.resolve = resolve
    this.reject = reject
  }

  get name(): string {
    return nameOf(this.url)
  }

  /** Calls `aborted` if the signal aborts before the call has ended or was handed over. */
  watch(aborted: (call: LightCall) => void): void {
    if (this.signal !== undefined) this.disarm = abortListenerOf(this.signal).add(() => aborted(this))
  }

  /** The call waits again. */
  takenBack(): void {
    this.id = 0
  }

  /** The worker has the input. */
  sent(): void {
    this.input = undefined
    this.transfers = none
  }

  succeed(value: unknown): void {
    this.disarm?.()
    this.resolve(value)
  }

  fail(error: unknown): void {
    this.disarm?.()
    this.reject(error)
  }

  /** A pool takes over the call, and settles it with the result. */
  handOver(result: Promise<unknown>): void {
    this.disarm?.()
    this.resolve(result)
  }
}
