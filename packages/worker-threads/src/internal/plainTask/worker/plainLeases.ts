/**
 * The leases that the host keeps for one call of a plain function.
 *
 * Invariants:
 * 1. Each number is asked for once, and released at most once.
 * 2. After `close` nothing is asked for. The host releases the remaining leases by itself.
 * 3. After `close` no request settles, because an unhandled rejection would end the worker, with the calls of others.
 */
import type { EncodedExit, EncodedReason, ToHost, ToWorker } from "../../wire/message.ts"
import { names, type ProcessExit, type ProcessState, type ReadyName, whenExited } from "../../wire/readyLeases.ts"

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

/** A request that the host has not answered. */
interface Asking {
  readonly resolve: (value: object) => void
  readonly reject: (error: unknown) => void
  /** The answer has no effect any more. */
  readonly forget: () => void
}

const succeeded: EncodedExit = { _tag: "Success", value: undefined }

export class PlainLeases implements TaskLeases {
  private readonly id: number
  private readonly send: (message: ToHost) => void
  private readonly asking = new Map<number, Asking>()
  private readonly releasing = new Map<number, (problem: string | null) => void>()
  private last = 0
  private isClosed = false
  /** The error of each further request, once the call is interrupted. */
  private refusal: unknown = undefined

  /** `send` throws if the message can't be cloned. */
  constructor(id: number, send: (message: ToHost) => void) {
    this.id = id
    this.send = send
  }

  readonly temporaryFolder: TaskLeases["temporaryFolder"] = (options) =>
    this.acquire(names.temporaryFolder, { prefix: options?.prefix })

  readonly lockFile: TaskLeases["lockFile"] = (path, options) =>
    this.acquire(names.lockFile, { path, wait: options?.wait }, options?.signal)

  readonly childProcess: TaskLeases["childProcess"] = async (command, args, options) => {
    const { pid, state, ...lease } = await this.acquire<{ readonly pid: number; readonly state: ProcessState }>(
      names.childProcess,
      { command, args, cwd: options?.cwd, output: options?.output }
    )
    return { ...lease, pid, exited: whenExited(state) }
  }

  readonly fileHandle: TaskLeases["fileHandle"] = (path, flags) => this.acquire(names.fileHandle, { path, flags })

  /** Receives an answer of the host. */
  receive(answer: Answer): void {
    const { lease } = answer
    if (answer._tag === "Released") return this.releasing.get(lease)?.(answer.problem)
    const asking = this.asking.get(lease)
    this.asking.delete(lease)
    if (answer._tag === "Refused") asking?.reject(refused(answer.problem))
    else if (answer.exit._tag === "Failure") asking?.reject(errorOf(answer.exit.cause[0]))
    // The host keeps its word about the type of a value.
    else asking?.resolve(answer.exit.value as object)
  }

  /** The call is interrupted: requests end with the error, and so does each further one. */
  interrupt(error: unknown): void {
    this.refusal ??= error
    for (const lease of Array.from(this.asking.keys())) this.cancel(lease, error)
  }

  /** The call has ended. */
  close(): void {
    for (const { forget } of this.asking.values()) forget()
    this.asking.clear()
    for (const released of Array.from(this.releasing.values())) released(null)
    this.isClosed = true
  }

  private acquire<A extends object>(name: ReadyName, payload: object, signal?: AbortSignal): Promise<Kept<A>> {
    const lease = ++this.last
    const given = new Promise<object>((resolve, reject) => {
      if (this.isClosed) return
      if (this.refusal !== undefined) return reject(this.refusal)
      if (signal?.aborted === true) return reject(signal.reason)
      const onAbort = (): void => this.cancel(lease, signal?.reason)
      const forget = (): void => signal?.removeEventListener("abort", onAbort)
      const end =
        <B>(settle: (value: B) => void) =>
        (value: B): void => {
          forget()
          settle(value)
        }
      signal?.addEventListener("abort", onAbort)
      this.asking.set(lease, { resolve: end(resolve), reject: end(reject), forget })
      try {
        this.send({ _tag: "Acquire", id: this.id, lease, name, payload })
      } catch (error) {
        this.asking.get(lease)?.reject(error)
        this.asking.delete(lease)
      }
    })
    let released: Promise<void> | undefined
    const dispose = (): Promise<void> => (released ??= this.release(lease))
    // The value is that of the lease with this name.
    return given.then((value) => ({ ...value, [Symbol.asyncDispose]: dispose }) as Kept<A>)
  }

  private cancel(lease: number, error: unknown): void {
    const asking = this.asking.get(lease)
    if (asking === undefined) return
    this.asking.delete(lease)
    this.send({ _tag: "Release", id: this.id, lease, exit: succeeded })
    asking.reject(error)
  }

  private release(lease: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) return resolve()
      this.releasing.set(lease, (problem) => {
        this.releasing.delete(lease)
        if (problem === null) resolve()
        else reject(new Error(problem))
      })
      this.send({ _tag: "Release", id: this.id, lease, exit: succeeded })
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
