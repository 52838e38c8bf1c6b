/**
 * One call of a plain function in a worker.
 *
 * Invariants:
 * 1. The exit is sent once. A function that goes on after its end by force changes nothing any more.
 * 2. An interrupted call ends when its function has settled. Its exit has the reason of the request, also if the function
 *    has noticed the request before the message with the reason was taken.
 * 3. The signal of an interrupted call is aborted before its exit is sent.
 * 4. An error of the function after an interrupt is a failed cleanup, unless its name is `AbortError`.
 */
import { CancelError, toError } from "@quiesce/core/internal/plain"
import type * as CancelReason from "@quiesce/core/CancelReason"
import type { EncodedExit, EncodedReason, ToHost } from "../../wire/message.ts"
import { type ReadyKind, readyName } from "../../wire/readyNames.ts"
import type { SharedFlags } from "../../worker/sharedFlags.ts"
import type { BadModule, Call } from "../contract.ts"
import type { PlainFunction } from "./functions.ts"
import { Context, type Report, type Source } from "./plainContext.ts"
import { failures, leases, reports } from "./onDemand.ts"
import type { Answer, Granted, PlainLeases, TaskLeases } from "./plainLeases.ts"
import { PlainToken, pending } from "./plainToken.ts"
import type { Reporter } from "./reporter.ts"

/** The worker of a call, as far as the call needs it. */
export interface Outlet {
  readonly succeed: (call: PlainCall, value: unknown) => void
  readonly exit: (call: PlainCall, exit: EncodedExit) => void
  /** Throws if the value can't be cloned. */
  readonly report: (call: PlainCall, value: unknown) => void
  /** Throws if the message can't be cloned. */
  readonly send: (message: ToHost) => void
}

type State =
  /** The function has not been called. */
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Running" }
  /** The function has noticed a request and has settled; the reason is under way. */
  | { readonly _tag: "AwaitingReason"; readonly failures: ReadonlyArray<EncodedReason> }
  | { readonly _tag: "Done" }

const waiting: State = { _tag: "Waiting" }
const running: State = { _tag: "Running" }
const done: State = { _tag: "Done" }

export class PlainCall implements Source {
  readonly id: number
  readonly call: Call
  readonly token: PlainToken
  /** Whether the call has sent a message, which its exit must not overtake. */
  hasSentMessage = false
  /** The time at which the function was called, in milliseconds. 0 before. */
  startedAt = 0
  readonly #flags: SharedFlags
  readonly #outlet: Outlet
  #state: State = waiting
  #stopReason: CancelReason.CancelReason | undefined
  reason: CancelReason.CancelReason | undefined
  #context: Context | undefined
  /** Made by the function's first use of them. */
  #ownLeases: TaskLeases | undefined
  /** The code for answers is loaded when the function has asked for its first lease. */
  #asked: PlainLeases | undefined
  /** The number of the last lease. */
  #lease = 0
  #reporter: Reporter | undefined
  /** The parts of the result that are moved. */
  moved: Set<unknown> | undefined
  /** How many reports the host has accepted before there is a reporter. */
  #credits = 0

  constructor(id: number, call: Call, flags: SharedFlags, deadline: number, outlet: Outlet) {
    this.id = id
    this.call = call
    this.#flags = flags
    this.#outlet = outlet
    this.token = new PlainToken(flags, deadline, this)
  }

  /** The reason that has arrived. */
  get given(): CancelReason.CancelReason | undefined {
    return this.reason ?? this.#stopReason
  }

  get isDone(): boolean {
    return this.#state === done
  }

  // ---- From the host ----

  stop(reason: CancelReason.CancelReason): void {
    this.#stopReason ??= reason
  }

  interrupt(reason: CancelReason.CancelReason): void {
    if (this.reason !== undefined || this.isDone) return
    this.reason = reason
    if (this.#state === waiting) return this.#endInterrupted([])
    if (this.#state._tag === "AwaitingReason") return this.#endInterrupted(this.#state.failures)
    this.#reporter?.settle(toError(reason))
    this.#withLeases((asked) => asked.interrupt(toError(reason)))
    this.#context?.abort(reason)
  }

  /** The host accepts more reports. */
  pull(count: number): void {
    if (this.#reporter === undefined) this.#credits += count
    else this.#reporter.pull(count)
  }

  /** The host has answered a request for a lease. */
  answered(answer: Answer): void {
    this.#withLeases((asked) => asked.receive(answer))
  }

  // ---- The function ----

  /** Calls the function. The caller has marked the section as running. */
  run(f: PlainFunction): () => void {
    this.#state = running
    // The host could not end the section for a request from before the mark.
    if (this.token.interrupted) return () => this.#interrupted([])
    const context = new Context(this)
    this.#context = context
    try {
      const result = f(this.call.input, context)
      if (!isThenable(result)) return () => this.#succeed(result)
      // The `then` of a foreign value may throw, and may give a further thenable.
      const promise = Promise.resolve(result)
      return () =>
        void promise.then(
          (value) => this.#succeed(value),
          (error: unknown) => this.#fail(error)
        )
    } catch (error) {
      return () => this.#fail(error)
    }
  }

  /** The code of the function was ended by force. */
  endedByForce(): void {
    this.#endInterrupted([])
  }

  badModule(error: BadModule): void {
    this.#exit(failure({ _tag: "Fail", error }))
  }

  #succeed(value: unknown): void {
    if (this.#waits(() => this.#succeed(value))) return
    if (this.reason !== undefined) return this.#endInterrupted([])
    this.#finish()
    this.#outlet.succeed(this, value)
  }

  /** True if the call is over, or if a report still waits for the host. `f` is then called after the last report. */
  #waits(f: () => void): boolean | undefined {
    return this.isDone || (this.reason === undefined && this.#reporter?.whenIdle(f))
  }

  #fail(error: unknown): void {
    if (this.#waits(() => this.#fail(error))) return
    if (this.reason === undefined && !this.#flags.interrupted && !isOf(error, this.token.reason)) {
      this.#finish()
      failures.use(({ thrown }) => this.#outlet.exit(this, failure({ _tag: "Fail", error: thrown(error) })))
    } else if (isAbortError(error)) this.#interrupted([])
    else failures.use(({ thrown }) => this.#interrupted([{ _tag: "Die", defect: thrown(error) }]))
  }

  /** The function has settled after a request. */
  #interrupted(failures: ReadonlyArray<EncodedReason>): void {
    if (this.isDone) return
    const { reason } = this.token
    if (this.reason !== undefined || reason !== pending) return this.#endInterrupted(failures)
    this.#state = { _tag: "AwaitingReason", failures }
  }

  #endInterrupted(failures: ReadonlyArray<EncodedReason>): void {
    const reason = this.reason ?? this.token.reason ?? pending
    // The signal of a function that has ended by its token is not aborted yet, and listeners may have the cleanup.
    this.#context?.abort(reason)
    this.#exit(failure({ _tag: "Interrupt", reason }, ...failures))
  }

  #exit(exit: EncodedExit): void {
    if (this.isDone) return
    this.#finish()
    this.#outlet.exit(this, exit)
  }

  #finish(): void {
    this.#state = done
    this.token.close()
    this.#withLeases((asked) => asked.close())
    this.#reporter?.close()
  }

  get leases(): TaskLeases {
    return (this.#ownLeases ??= {
      temporaryFolder: (options) => this.#acquire("temporaryFolder", { prefix: options?.prefix }),
      lockFile: (path, options) => this.#acquire("lockFile", { path, wait: options?.wait }, options?.signal),
      childProcess: (command, args, options) =>
        this.#acquire("childProcess", { command, args, cwd: options?.cwd, output: options?.output }),
      fileHandle: (path, flags) => this.#acquire("fileHandle", { path, flags })
    })
  }

  /** Asks at once, because the function may block the worker and need the lease afterwards. An error here rejects. */
  #acquire<Kind extends ReadyKind>(kind: Kind, payload: object, signal?: AbortSignal): Promise<Granted<Kind>> {
    const granted = new Promise<object>((resolve, reject) => {
      if (this.isDone) return
      if (this.reason !== undefined) throw toError(this.reason)
      // A signal of another library may lack `throwIfAborted`.
      if (signal?.aborted) throw signal.reason
      const lease = this.#lease + 1
      // Throws if the payload can't be cloned.
      this.#send({ _tag: "Acquire", id: this.id, lease, name: readyName(kind), payload })
      this.#lease = lease
      leases.use(({ PlainLeases }) => {
        this.#asked ??= new PlainLeases(this.id, (message) => this.#send(message))
        this.#asked.asked(lease, { kind, resolve, reject, signal, granted: () => granted })
      })
    })
    // The host keeps its word about the type of a value.
    return granted as Promise<Granted<Kind>>
  }

  #withLeases(use: (asked: PlainLeases) => void): void {
    // The first request has made `#asked` by the time of any later use.
    if (this.#lease > 0) leases.use(() => use(this.#asked!))
  }

  #send(message: ToHost): void {
    this.hasSentMessage = true
    this.#outlet.send(message)
  }

  move(parts: Iterable<unknown>): void {
    this.moved = new Set([...(this.moved ?? []), ...parts])
    // A result in the ring can't move anything.
    this.hasSentMessage = true
  }

  /** Calls `ready` when the function can report, at once if the code for that is loaded. */
  withReporter(ready: () => void): void {
    reports.use(({ Reporter }) => {
      this.#reporter = new Reporter(this.#credits, this.token, (value) => {
        this.#outlet.report(this, value)
        this.hasSentMessage = true
      })
      ready()
    })
  }

  get report(): Report {
    return this.#reporter?.report ?? unsent
  }
}

/** Nobody listens to the reports. */
const unsent: Report = async () => {}

const failure = (...cause: ReadonlyArray<EncodedReason>): EncodedExit => ({ _tag: "Failure", cause })

/** As `await` sees it. */
const isThenable = (u: unknown): u is PromiseLike<unknown> =>
  typeof (u as { readonly then?: unknown } | null | undefined)?.then === "function"

/** Whether the error is the one that the token throws for this reason. */
const isOf = (error: unknown, reason: CancelReason.CancelReason | undefined): boolean => {
  try {
    return reason !== undefined && error instanceof CancelError && error.reason._tag === reason._tag
  } catch {
    return false
  }
}

/** The platform's functions give the errors of an abort this name. */
const isAbortError = (error: unknown): boolean => {
  try {
    return error instanceof Error && error.name === "AbortError"
  } catch {
    return false
  }
}
