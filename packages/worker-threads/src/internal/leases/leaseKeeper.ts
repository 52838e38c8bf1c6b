/**
 * The host's side of the host leases of one task. A lease that the pool's options declare is acquired here, in a scope
 * of its own. The scope is closed when the worker releases the lease or the task has ended. If this thread is a worker,
 * any other lease is requested from its host.
 *
 * Invariants:
 * 1. A worker reaches only the leases of its own task. A number in use is refused.
 * 2. A scope is closed once. All waiters wait for the same closing.
 * 3. After `close` nothing is acquired, and nothing is left.
 * 4. A lease of the host above is in the ledgers of both threads. Only the host above reports the lease further up.
 */
import { causeText, inLeaseSpan, messageOf, readOr } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as WorkerError from "../../WorkerError.ts"
import * as Codec from "../wire/codec.ts"
import * as CurrentTask from "../wire/currentTask.ts"
import type { Allowance } from "./allowance.ts"
import { codecOfHandler, type Handler } from "./declaredLease.ts"
import * as LeaseBroker from "./leaseBroker.ts"
import type { EncodedExit, ToHost, ToWorker } from "../wire/message.ts"
import type { Problem, TaskCodec } from "../wire/wire.ts"
import type { Keeper, Leases, Owner } from "./keeper.ts"

type AnyExit = Exit.Exit<unknown, unknown>
type SendToWorker = Owner["send"]
type Enter = Owner["enter"]

/** The lease handlers of a pool, and the keepers that are still releasing leases. */
export class HostLeases implements Leases {
  readonly handlers: ReadonlyMap<string, Handler>
  readonly context: Context.Context<never>
  /** The task in which the pool was made; undefined on the main thread. */
  private readonly parentTask: CurrentTask.Task | undefined
  readonly closing: Set<Fiber.Fiber<unknown>>

  constructor(
    handlers: ReadonlyArray<Handler>,
    context: Context.Context<never>,
    closing: Set<Fiber.Fiber<unknown>> = new Set()
  ) {
    this.closing = closing
    this.handlers = new Map(handlers.map((handler) => [handler.name, handler]))
    this.context = context
    this.parentTask = Context.get(context, CurrentTask.Current)
  }

  get broker(): CurrentTask.Broker | undefined {
    return this.parentTask?.broker
  }

  /** The same leases for one task, which has handlers of its own. */
  with(handlers: ReadonlyArray<Handler>): Leases {
    return handlers.length === 0
      ? this
      : new HostLeases([...this.handlers.values(), ...handlers], this.context, this.closing)
  }

  keeperFor(owner: Owner): Keeper {
    return new LeaseKeeper(this, owner)
  }

  get idle(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.forEach([...this.closing], Fiber.await, { discard: true }))
  }
}

/** The host leases of the options of a pool. */
export const leasesOf = (
  { hostLeases }: { readonly hostLeases?: ReadonlyArray<Handler> | undefined },
  context: Context.Context<never>
): HostLeases => new HostLeases(hostLeases ?? [], context)

const flatten = (exit: Exit.Exit<AnyExit>): AnyExit => (Exit.isSuccess(exit) ? exit.value : exit)

/** One lease while it is acquired, kept or released. */
class Kept {
  readonly scope: Scope.Closeable = Scope.makeUnsafe()
  acquiring: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** Ends the entry in the ledger. */
  settle: ReturnType<Enter> | undefined = undefined
  /** Whether the worker has asked for the release. */
  isAskedToRelease = false
  /** The release of a lease that was acquired here, in its span. */
  traced: (release: Effect.Effect<void>) => Effect.Effect<void> = (release) => release
  private closing: Fiber.Fiber<AnyExit> | undefined = undefined

  get isClosing(): boolean {
    return this.closing !== undefined
  }

  /** Completes with the exit of the release. */
  close(exit: AnyExit): Effect.Effect<AnyExit> {
    return Effect.suspend(() => {
      this.closing ??= Effect.runFork(Effect.uninterruptible(this.end(exit)))
      return Effect.map(Fiber.await(this.closing), flatten)
    })
  }

  private end(exit: AnyExit): Effect.Effect<AnyExit> {
    const stopped = this.acquiring === undefined ? Effect.void : Fiber.interrupt(this.acquiring)
    return Effect.map(Effect.andThen(stopped, Effect.exit(this.traced(Scope.close(this.scope, exit)))), (released) => {
      if (Exit.isSuccess(released)) this.settle?.("released", null)
      else this.settle?.("failed", causeText(released.cause))
      return released
    })
  }
}

export class LeaseKeeper implements Keeper {
  private readonly leases: HostLeases
  private readonly broker: CurrentTask.Broker | undefined
  private readonly id: number
  private readonly enter: Enter
  private readonly sendToWorker: SendToWorker
  private readonly allowance: Allowance
  private readonly tracing: Owner["tracing"]
  private readonly kept: Map<number, Kept> = new Map()
  private isClosed = false

  constructor(leases: HostLeases, { allowance, broker, enter, id, send, tracing }: Owner) {
    this.tracing = tracing
    this.allowance = allowance
    this.leases = leases
    this.broker = broker ?? leases.broker
    this.id = id
    this.enter = enter
    this.sendToWorker = send
  }

  receive(message: Extract<ToHost, { readonly _tag: "Acquire" | "Release" }>): void {
    if (this.isClosed) return
    if (message._tag === "Release") return this.release(message)
    const { lease, name, payload } = message
    const handler = this.leases.handlers.get(name)
    const { broker } = this
    if (this.kept.has(lease)) return this.refuse(lease, "its number is taken")
    const kept = new Kept()
    if (handler === undefined && broker === undefined) return this.refuse(lease, "the pool does not declare it", true)
    if (!this.allowance.take()) return
    this.kept.set(lease, kept)
    const acquiring =
      handler === undefined
        ? this.forward(lease, kept, broker!, name, payload)
        : this.acquire(lease, kept, handler, payload)
    kept.acquiring = Effect.runForkWith(this.leases.context)(acquiring)
  }

  /** Releases all leases that are left, the latest first. Completes with the failed releases. */
  close(exit: AnyExit): Effect.Effect<Cause.Cause<never>> {
    this.isClosed = true
    this.allowance.giveBack(this.kept.size)
    const all = Array.from(this.kept.values()).toReversed()
    const closed = Effect.map(
      Effect.forEach(all, (kept) => kept.close(exit)),
      (exits) =>
        Cause.fromReasons<never>(
          exits.flatMap((end) => (Exit.isFailure(end) ? end.cause.reasons.filter(Cause.isDieReason) : []))
        )
    )
    const fiber = Effect.runFork(closed)
    this.leases.closing.add(fiber)
    fiber.addObserver(() => this.leases.closing.delete(fiber))
    return Fiber.join(fiber)
  }

  get isEmpty(): boolean {
    return this.kept.size === 0
  }

  private acquire(lease: number, kept: Kept, handler: Handler, payload: unknown): Effect.Effect<void> {
    const codec = codecOfHandler(handler)
    const made = Effect.flatMap(
      Effect.mapError(codec.payload.decode(payload), (problem) => new PayloadMismatch(problem)),
      (decoded) =>
        Scope.provide(
          Effect.suspend(() => handler.acquire(decoded)),
          kept.scope
        )
    )
    return Effect.flatMap(Effect.exit(this.inSpan("acquire", codec.name, made)), (exit) => {
      // The interruption comes from `close`, which also closes the scope.
      if (kept.isClosing) return Effect.void
      if (Exit.isFailure(exit)) return this.releaseThenReply(lease, kept, exit, () => this.sendExit(lease, codec, exit))
      kept.traced = (release) => this.inSpan("release", codec.name, release)
      if (handler.isKept) kept.settle = this.enter(codec.name)
      const refuse = (problem: Problem) =>
        this.releaseThenReply(lease, kept, exit, () => Effect.sync(() => this.refuse(lease, problem)))
      return this.sendExit(lease, codec, exit).pipe(Effect.catch(refuse))
    }).pipe(Effect.ignore)
  }

  /** Runs a step of a lease in a span below the span of a traced call. */
  private inSpan<A, E>(step: "acquire" | "release", lease: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.tracing === undefined ? effect : Effect.provideContext(inLeaseSpan(step, lease, effect), this.tracing)
  }

  /** Asks the host above to acquire and keep the lease. The local ledger entry and scope mirror the host's lease. */
  private forward(
    lease: number,
    kept: Kept,
    broker: CurrentTask.Broker,
    name: string,
    payload: unknown
  ): Effect.Effect<void> {
    return Effect.flatMap(Effect.exit(Scope.provide(broker.forward(name, payload), kept.scope)), (exit) => {
      if (kept.isClosing) return Effect.void
      if (Exit.isFailure(exit)) {
        const problem = problemOf(exit.cause)
        const refuse = () => Effect.sync(() => this.refuse(lease, problem, isUnknown(exit.cause)))
        return this.releaseThenReply(lease, kept, exit, refuse)
      }
      const answer = this.sendAcquired(lease, exit.value)
      if (exit.value._tag === "Failure") return this.releaseThenReply(lease, kept, Exit.void, () => answer)
      kept.settle = this.enter(name, { keptBy: "host" })
      const refuse = (problem: Problem) =>
        this.releaseThenReply(lease, kept, Exit.void, () => Effect.sync(() => this.refuse(lease, problem)))
      return answer.pipe(Effect.catch(refuse))
    }).pipe(Effect.ignore)
  }

  /** Releases a useless lease, and then replies. */
  private releaseThenReply(
    lease: number,
    kept: Kept,
    exit: AnyExit,
    reply: () => Effect.Effect<void, Problem>
  ): Effect.Effect<void, Problem> {
    kept.acquiring = undefined
    return Effect.andThen(
      kept.close(exit),
      Effect.suspend(() => {
        this.forget(lease, kept)
        return reply()
      })
    )
  }

  /** Fails with the cause if the answer can't be sent. */
  private sendExit(lease: number, codec: TaskCodec, exit: AnyExit): Effect.Effect<void, Problem> {
    if (Exit.isFailure(exit)) {
      const mismatch = exit.cause.reasons.find(
        (reason) => Cause.isFailReason(reason) && readOr(() => reason.error instanceof PayloadMismatch, false)
      )
      if (mismatch !== undefined) return Effect.sync(() => this.refuse(lease, "its payload does not fit the contract"))
    }
    const transfers: Array<unknown> = []
    const encoding = Effect.catchDefect(Codec.exitToWire(codec, exit, transfers), (defect) =>
      Effect.fail(messageOf(defect))
    )
    return Effect.flatMap(encoding, (encoded) => {
      if (Exit.isSuccess(exit) && encoded._tag === "Failure")
        return Effect.fail("what the host acquired can't be encoded")
      return this.sendAcquired(lease, encoded, transfers)
    })
  }

  private sendAcquired(
    lease: number,
    exit: EncodedExit,
    transfers: ReadonlyArray<unknown> = []
  ): Effect.Effect<void, Problem> {
    return Effect.try({
      try: () => this.send({ _tag: "Acquired", id: this.id, lease, exit }, transfers),
      catch: (cause) => messageOf(cause)
    })
  }

  private release({ lease, exit }: Extract<ToHost, { readonly _tag: "Release" }>): void {
    const kept = this.kept.get(lease)
    if (kept === undefined) return this.send({ _tag: "Released", id: this.id, lease, problem: null })
    // The answer to the first request is under way.
    if (kept.isAskedToRelease) return
    kept.isAskedToRelease = true
    const closed = Effect.flatMap(
      Effect.orElseSucceed(Codec.exitFromWire(LeaseBroker.scopeExit, exit), () => Exit.void),
      (how: AnyExit) => kept.close(how)
    )
    Effect.runFork(closed).addObserver((end) => {
      this.forget(lease, kept)
      const released = flatten(end)
      const problem = Exit.isFailure(released) ? causeText(released.cause) : null
      this.send({ _tag: "Released", id: this.id, lease, problem })
    })
  }

  /** A lease may be forgotten twice: the worker releases the lease, and the lease was of no use. */
  private forget(lease: number, kept: Kept): void {
    if (this.isClosed || this.kept.get(lease) !== kept) return
    this.kept.delete(lease)
    this.allowance.giveBack(1)
  }

  private refuse(lease: number, problem: string, unknown = false): void {
    this.send({ _tag: "Refused", id: this.id, lease, problem, unknown })
  }

  private send(message: ToWorker, transfers: ReadonlyArray<unknown> = []): void {
    if (!this.isClosed) this.sendToWorker(message, transfers)
  }
}

/** The problem in the words of the refusing host. */
const problemOf = (cause: Cause.Cause<WorkerError.WorkerError>): string => {
  const error = cause.reasons.find(Cause.isFailReason)?.error ?? unknownIn(cause)
  if (error === undefined) return causeText(cause)
  return "problem" in error.reason ? error.reason.problem : error.message
}

/** The defect with which the broker answers if no pool above has a handler. */
const unknownIn = (cause: Cause.Cause<unknown>): WorkerError.WorkerError | undefined => {
  const defects = cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
  return defects.filter(WorkerError.isWorkerError).find(({ reason }) => reason._tag === "UnknownLease")
}

const isUnknown = (cause: Cause.Cause<unknown>): boolean => unknownIn(cause) !== undefined

class PayloadMismatch {
  readonly problem: string

  constructor(problem: string) {
    this.problem = problem
  }
}
