/**
 * The leases that one call of a plain function has asked its host for. The call asks, and a worker loads this module for the
 * answers: see `onDemand.ts`.
 *
 * Invariants:
 * 1. Each number is released at most once.
 * 2. After `close` no lease is released, because the host releases the remaining leases by itself.
 * 3. After `close` no request settles, and the rejection at an interrupt is handled, because an unhandled rejection would end
 *    the worker, with the calls of others.
 */
import type { EncodedExit, EncodedReason, ToHost, ToWorker } from "../../wire/message.ts"
import { type ProcessExit, type ProcessState, whenExited } from "../../wire/readyLeases.ts"
import type { ReadyKind } from "../../wire/readyNames.ts"

export type Answer = Extract<ToWorker, { readonly _tag: "Acquired" | "Refused" | "Released" }>

/** A lease. Disposing of it asks the host for the release, and waits for that. */
type Kept<A> = A & AsyncDisposable

/** See `Task.TaskLeases`. */
export interface TaskLeases {
  readonly temporaryFolder: (options?: {
    readonly prefix?: string | undefined
  }) => Promise<Kept<{ readonly path: string }>>
  readonly lockFile: (
    path: string,
    options?: { readonly wait?: boolean | undefined; readonly signal?: AbortSignal | undefined }
  ) => Promise<Kept<{ readonly path: string; readonly ownerDied: boolean }>>
  readonly childProcess: (
    command: string,
    args?: ReadonlyArray<string>,
    options?: { readonly cwd?: string | undefined; readonly output?: "ignore" | "inherit" | undefined }
  ) => Promise<Kept<{ readonly pid: number; readonly exited: Promise<ProcessExit> }>>
  readonly fileHandle: (
    path: string,
    flags?: "r" | "r+" | "w" | "wx" | "w+" | "wx+" | "a" | "ax" | "a+" | "ax+"
  ) => Promise<Kept<{ readonly fd: number }>>
}

/** The value of a lease of this kind. */
export type Granted<Kind extends ReadyKind> = Awaited<ReturnType<TaskLeases[Kind]>>

/** A request of the function. */
export interface Asker {
  readonly kind: ReadyKind
  readonly resolve: (value: object) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
  /** The promise that the function has. */
  readonly granted: () => Promise<object>
}

/** A request that the host has not answered. */
interface Asking extends Asker {
  readonly onAbort: () => void
}

const succeeded: EncodedExit = { _tag: "Success", value: undefined }

export class PlainLeases {
  readonly #id: number
  readonly #send: (message: ToHost) => void
  readonly #asking = new Map<number, Asking>()
  readonly #releasing = new Map<number, (problem: string | null) => void>()
  #isClosed = false

  /** `send` throws if the message can't be cloned. */
  constructor(id: number, send: (message: ToHost) => void) {
    this.#id = id
    this.#send = send
  }

  /** The call has asked for a lease. */
  asked(lease: number, asker: Asker): void {
    const { signal } = asker
    const onAbort = (): void => this.#cancel(lease, signal?.reason)
    this.#asking.set(lease, { ...asker, onAbort })
    signal?.addEventListener("abort", onAbort)
    // The signal may have been aborted while this module was loaded.
    if (signal?.aborted === true) onAbort()
  }

  /** Receives an answer of the host. */
  receive(answer: Answer): void {
    const { lease } = answer
    if (answer._tag === "Released") return this.#releasing.get(lease)?.(answer.problem)
    const asking = this.#forget(lease)
    if (answer._tag === "Refused") asking?.reject(refused(answer.problem))
    else if (answer.exit._tag === "Failure") asking?.reject(errorOf(answer.exit.cause[0]))
    else asking?.resolve(this.#granted(lease, asking.kind, answer.exit.value))
  }

  /** The call is interrupted: its requests end with the error. */
  interrupt(reason: unknown): void {
    for (const [lease, { granted }] of Array.from(this.#asking)) {
      // A function need not wait for all of its requests.
      granted().catch(() => {})
      this.#cancel(lease, reason)
    }
  }

  /** The call has ended. */
  close(): void {
    for (const lease of Array.from(this.#asking.keys())) this.#forget(lease)
    for (const released of Array.from(this.#releasing.values())) released(null)
    this.#isClosed = true
  }

  /** The host keeps its word about the type of a value. */
  #granted(lease: number, kind: ReadyKind, value: unknown): object {
    let released: Promise<void> | undefined
    const dispose = (): Promise<void> => (released ??= this.#release(lease))
    const kept = { ...(value as object), [Symbol.asyncDispose]: dispose }
    if (kind !== "childProcess") return kept
    const { state, ...rest } = kept as typeof kept & { readonly state: ProcessState }
    return { ...rest, exited: whenExited(state) }
  }

  #cancel(lease: number, error: unknown): void {
    const asking = this.#forget(lease)
    if (asking === undefined) return
    this.#send({ _tag: "Release", id: this.#id, lease, exit: succeeded })
    asking.reject(error)
  }

  #forget(lease: number): Asking | undefined {
    const asking = this.#asking.get(lease)
    this.#asking.delete(lease)
    asking?.signal?.removeEventListener("abort", asking.onAbort)
    return asking
  }

  #release(lease: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return resolve()
      this.#releasing.set(lease, (problem) => {
        this.#releasing.delete(lease)
        if (problem === null) resolve()
        else reject(new Error(problem))
      })
      this.#send({ _tag: "Release", id: this.#id, lease, exit: succeeded })
    })
  }
}

/** An error with the name and the parts of the host's error. */
const hostLeaseError = (message: string, parts: object): Error =>
  Object.assign(new Error(message), { name: "HostLeaseError", ...parts })

const refused = (problem: string): Error =>
  hostLeaseError(`The host does not keep the lease: ${problem}.`, { reason: { _tag: "Refused", problem } })

const errorOf = (reason: EncodedReason | undefined): Error => {
  const given = reason?._tag === "Fail" ? reason.error : reason?._tag === "Die" ? reason.defect : undefined
  const { message = String(given), ...parts } = (typeof given === "object" ? given : {}) as {
    readonly message?: string
  }
  return hostLeaseError(message, parts)
}
