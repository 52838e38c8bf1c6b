/**
 * For authors of adapters: makes a thread of work that runs elsewhere, and mirrors the leases of that work.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as CancelReason from "./CancelReason.ts"
import type { Rung } from "./Escalation.ts"
import * as Given from "./internal/adapterArguments.ts"
import { EncodedError } from "./internal/encodedError.ts"
import * as CancelScope from "./internal/cancelScope.ts"
import * as CleanupFailure from "./internal/cleanupFailure.ts"
import * as DirectSpawn from "./internal/directSpawn.ts"
import type { DumpedPlace } from "./internal/dumpModel.ts"
import * as DumpSources from "./internal/dumpSources.ts"
import * as FiberSections from "./internal/fiberSections.ts"
import * as Ladder from "./internal/ladder.ts"
import type { LeaseResult } from "./internal/leaseAccount.ts"
import * as Ledger from "./internal/ledger.ts"
import * as PendingReason from "./internal/pendingReason.ts"
import * as Raising from "./internal/raising.ts"
import { received, Settlement } from "./internal/settlement.ts"
import * as Spawn from "./internal/spawn.ts"
import * as Abandonment from "./internal/abandonment.ts"
import * as Release from "./internal/release.ts"
import { nodeOf, noteStep, type ThreadNode } from "./internal/threadNode.ts"
import { rungOf } from "./internal/threadState.ts"
import * as UnreportedEnd from "./internal/unreportedEnd.ts"
import type { Raisable, SpawnOptions, Thread } from "./Thread.ts"
import type { ThreadControls } from "./internal/threadControls.ts"

/**
 * The controls that an adapter supplies for a thread. `RemoteThread` makes the rest of `ThreadControls`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Controls extends Omit<ThreadControls<unknown, unknown>, "exit" | "poll" | "abandon" | "context"> {
  /** The exit of the thread if it is abandoned (default: the given exit, which has the reason and the defect `Abandoned`). */
  exitWhenAbandoned?(exit: Exit.Exit<never, never>): Exit.Exit<unknown, unknown>
}

export type { ThreadControls, UnwindOutcome } from "./internal/threadControls.ts"
export type { LeaseResult } from "./internal/leaseAccount.ts"

/**
 * Options of a lease. `keptBy: "host"`: the host of this thread keeps the resource and has the lease in its own ledger, so
 * that an observer need not report the lease to the host.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface LeaseOptions {
  readonly keptBy?: "host" | undefined
}

/**
 * The model's side of a thread that runs elsewhere.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface RemoteThread<in A, in E> {
  readonly id: number
  readonly name: string
  /** The highest rung of a request so far, of any caller. */
  readonly rung: Rung | undefined
  /**
   * Notes that the work has begun, for timelines: on the place `kind-id`, such as "worker" and 3. Not called for work that
   * begins when it is spawned.
   */
  started(kind: string, id: number): void
  /** Ends the thread; the first call counts. The leases that are still held are lost. */
  settle(exit: Exit.Exit<A, E>): void
  /** Ends the thread by its escalation, as the end of its scope does. *Cancellation*: the requests stand. */
  end(reason: CancelReason.CancelReason): Effect.Effect<void>
  /** The names of the held leases, the latest first. */
  held(): ReadonlyArray<string>
  /** Enters an acquired lease. The returned function ends the lease; the first call counts. */
  enter(lease: string, options?: LeaseOptions): (result: LeaseResult, error: string | null) => void
}

class RemoteControls<A, E> extends Settlement<A, E> implements RemoteThread<A, E>, ThreadControls<A, E> {
  /** The adapter's controls, whose answers may change while the thread lives. */
  private controls!: Controls
  /** The context of the fiber that has spawned the thread. */
  readonly context: Context.Context<never>

  constructor(node: ThreadNode<A, E>, context: Context.Context<never>) {
    super(node)
    this.context = context
  }

  get id(): number {
    return this.node.id
  }

  get name(): string {
    return this.node.name
  }

  get rung(): Rung | undefined {
    return rungOf(this.node.state)
  }

  /** Puts the started thread into the tree. */
  run(controls: Controls): ThreadNode<A, E> {
    const { node } = this
    this.controls = controls
    node.controls = this
    // The thread may have ended already.
    if (!node.isAlive) return node
    node.parentNode?.adopt(node)
    if (noteStep !== undefined && controls.hasStarted === undefined) noteStep({ _tag: "Started", node })
    return node
  }

  started(kind: string, id: number): void {
    noteStep?.({ _tag: "Started", node: this.node, place: `${kind}-${id}` })
  }

  override settle(exit: Exit.Exit<A, E>, abandoned = false): void {
    const { node } = this
    if (abandoned) Abandonment.list?.add(node)
    else Abandonment.list?.delete(node)
    if (node.account?.latest !== undefined || node.firstChild !== undefined) {
      Ledger.lose(node)
    }
    super.settle(exit, abandoned, this.context)
  }

  abandon(exit: Exit.Exit<never, never>): void {
    // An adapter whose work fails for its type knows its errors.
    const own = this.controls.exitWhenAbandoned?.(exit) as Exit.Exit<A, E> | undefined
    this.settle(own ?? exit, true)
  }

  end(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return UnreportedEnd.end(this.node, reason)
  }

  held(): ReadonlyArray<string> {
    return Array.from(Ledger.heldBelow(this.node), (entry) => entry.name)
  }

  enter(lease: string, options?: LeaseOptions): (result: LeaseResult, error: string | null) => void {
    const entry = Ledger.enter(this.node, lease, this.node.clock.currentTimeMillisUnsafe(), options?.keptBy)
    return (result, error) => Ledger.settle(entry, result, this.node.clock, error)
  }

  requestStop(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return this.controls.requestStop(reason)
  }

  requestInterrupt(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return this.controls.requestInterrupt(reason)
  }

  get interruptUnsafe(): ThreadControls<A, E>["interruptUnsafe"] {
    return this.controls.interruptUnsafe?.bind(this.controls)
  }

  raise(error: unknown, pending?: (withdraw: () => void) => void): Effect.Effect<boolean> {
    return this.controls.raise?.(error, pending) ?? Raising.raiseHere(this.node, error, pending)
  }

  get hasStarted(): boolean | undefined {
    return this.controls.hasStarted
  }

  get runsOn(): string | undefined {
    return this.controls.runsOn
  }

  get unwind(): ThreadControls<A, E>["unwind"] {
    return this.controls.unwind
  }

  get unwindProblem(): string | undefined {
    return this.controls.unwindProblem
  }

  get kill(): ThreadControls<A, E>["kill"] {
    return this.controls.kill
  }

  get locate(): ThreadControls<A, E>["locate"] {
    return this.controls.locate
  }
}

/**
 * Spawns a thread that runs elsewhere into the current scope. `start` runs once, uninterruptibly. If `start` fails, no
 * thread is made.
 *
 * *Cancellation*: either no thread exists, or the thread is in its scope and ends with the scope.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const spawn = <A, E, E2, R>(
  start: (remote: RemoteThread<A, E>) => Effect.Effect<Controls, E2, R>,
  options?: SpawnOptions
): Effect.Effect<Thread<A, E>, E2, R | Scope.Scope> =>
  Effect.uninterruptible(
    Effect.flatMap(Scope.Scope, (scope) =>
      Effect.withFiber((fiber) => {
        Given.callable("spawn", start)
        const parent = Spawn.liveThread(fiber)
        const destination = { scope, scopeOfOrigin: scope, parent, hasOwnLink: scope !== parent.scope }
        const given = Given.spawnOptions("spawn", options)
        return Spawn.into<A, E, E2, R>(fiber, destination, given, (node) => {
          const remote = new RemoteControls<A, E>(node, fiber.context)
          const starting = Given.work("spawn's start", start(remote))
          const started = Effect.map(starting, (controls) => remote.run(Given.made("spawn", controls)))
          return Effect.onExitPrimitive(started, (exit) => {
            if (Exit.isFailure(exit)) node.unlink(exit)
            return undefined
          })
        })
      })
    )
  )

/**
 * Spawns a thread that runs elsewhere, waits for the thread, and returns its value or fails with its error. The effect is
 * that of `spawn` and `Thread.join` in a scope of their own.
 *
 * *Cancellation*: the thread ends by its escalation, and its end is awaited. If a finalizer of the thread fails meanwhile,
 * its failure is in the Cause beside the interruption.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const execute = <A, E>(
  start: (remote: RemoteThread<A, E>) => Controls,
  options?: SpawnOptions
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    Given.callable("execute", start)
    return executeIn(fiber, start, Given.spawnOptions("execute", options))
  })

/**
 * The effect of `execute`, for an adapter that already has its caller's fiber. Only that fiber may run the effect. The call
 * takes one step of Effect less.
 *
 * *Cancellation*: as of `execute`.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const executeIn = <A, E>(
  fiber: Fiber.Fiber<unknown, unknown>,
  start: (remote: RemoteThread<A, E>) => Controls,
  options?: SpawnOptions
): Effect.Effect<A, E> => {
  Given.fiber("executeIn", fiber)
  Given.callable("executeIn", start)
  Given.spawnOptions("executeIn", options)
  let node: ThreadNode<A, E> | undefined
  const waiting = Effect.callback<A, E>((resume) => {
    const destination = { scope: everOpen, scopeOfOrigin: everOpen, parent: Spawn.liveThread(fiber), hasOwnLink: false }
    const spawned = Spawn.into<A, E>(fiber, destination, options, (made) => {
      node = made
      const remote = new RemoteControls<A, E>(made, fiber.context)
      remote.run(Given.made("executeIn", start(remote)))
      const exit = remote.poll()
      if (exit === undefined) made.onSettled(resume)
      else resume(received(made, exit))
      return Exit.succeed(made)
    })
    // No thread was made.
    if (node === undefined) resume(spawned as Effect.Effect<never>)
  })
  return Effect.onExitPrimitive(waiting, (exit) => (node?.isAlive === true ? endAfter(node, exit) : undefined))
}

/** Ends a thread whose caller was interrupted. */
const endAfter = (node: ThreadNode, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> => {
  const reason = Ladder.reasonOfEnd(exit, node.parentNode!, node.clock.currentTimeMillisUnsafe())
  return Effect.flatMap(UnreportedEnd.end(node, reason), () => {
    const failure = CleanupFailure.ofThread(node)
    return failure === undefined ? Effect.void : Effect.failCause(failure)
  })
}

/**
 * Starts a thread whose exit no other code receives if the current scope ends the thread. `report` then gets the failure of
 * the thread's cleanup, if there is one, after the end of the thread. If the thread was killed or abandoned, a message in the
 * log says so.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const reportingCleanup = <A, E, R>(
  start: Effect.Effect<A, E, R>,
  threadOf: (started: A) => Thread<unknown, unknown>,
  report: (failure: Cause.Cause<never>) => Effect.Effect<void>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) => {
    Given.work("reportingCleanup", start)
    Given.callable("reportingCleanup", threadOf)
    Given.callable("reportingCleanup", report)
    let ended: Thread<unknown, unknown> | undefined
    // Finalizers run in reverse order: the last before the end of the thread, the first after it.
    const last = Effect.addFinalizer(() =>
      Effect.suspend(() => {
        if (ended === undefined) return Effect.void
        UnreportedEnd.log(nodeOf(ended))
        const failure = CleanupFailure.ofThread(nodeOf(ended))
        return failure === undefined ? Effect.void : report(failure)
      })
    )
    const started = Effect.tap(restore(start), (made) =>
      Effect.addFinalizer(() =>
        Effect.sync(() => {
          const thread = threadOf(made)
          const node = Given.node("reportingCleanup's threadOf", thread)
          if (node.controls.poll() !== undefined) return
          ended = thread
          // `report` gets the failure.
          node.onSettled(() => {})
        })
      )
    )
    return Effect.andThen(last, started)
  })

/** The scope of threads that end with their waiting effect. */
const everOpen = /* @__PURE__ */ Scope.makeUnsafe()

/**
 * Starts the effect of `body` as a thread on one fiber with `context`. The thread runs up to its first wait before the call
 * returns.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type SpawnBelow = (
  body: (thread: Thread<unknown, unknown>) => Effect.Effect<unknown, unknown>,
  context: Context.Context<never>,
  name: string
) => Thread<unknown, unknown>

/**
 * Spawns children of a thread in its scope, from outside any fiber, such as on arrival of a message. The children take the
 * clock and the escalation from `settings`.
 *
 * Below a parent that has ended, the child has ended before its body runs.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const spawnBelow = (parent: Thread<unknown, unknown>, settings: Context.Context<never>): SpawnBelow =>
  DirectSpawn.below(Given.node("spawnBelow", parent), Given.context("spawnBelow", settings))

/**
 * Receives the leases of a thread and of its descendants.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface LeaseObserver {
  readonly entered: (lease: object, name: string, holder: Thread<unknown, unknown>, options: LeaseOptions) => void
  readonly settled: (lease: object, result: LeaseResult, error: string | null) => void
}

/**
 * Notifies the observer of each lease that a thread or a descendant acquires and ends from now on. The result removes the
 * observer.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const observeLeases = (thread: Thread<unknown, unknown>, observer: LeaseObserver): (() => void) => {
  const node = Given.node("observeLeases", thread)
  Given.withFunctions("observeLeases", observer, ["entered", "settled"])
  const ledgerObserver = {
    entered: (entry: Ledger.LeaseEntry) => observer.entered(entry, entry.name, entry.node, entry),
    settled: (
      _: ThreadNode,
      result: LeaseResult,
      outcome: { readonly error: string | null },
      entry: Ledger.LeaseEntry
    ) => observer.settled(entry, result, outcome.error)
  }
  Ledger.observe(node, ledgerObserver)
  return () => Ledger.unobserve(node, ledgerObserver)
}

/**
 * Adds the trees of other places, such as the inside of a worker, to the dumps by `ThreadDump.whole`. The effect runs for
 * each dump and has a second for its answer. The result removes the effect.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const provideDumps = (source: Effect.Effect<ReadonlyArray<DumpedPlace>>): (() => void) =>
  DumpSources.add(Given.work("provideDumps", source))

/**
 * Makes requests in shared memory visible to a thread and to its later children. `checks` is one word. The tokens of the
 * thread count the word down, and look at the flags when the word is below 0. A request sets the word to 0. A request that
 * falls into the nanosecond of a count is seen after some 4,000 checks.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const shareFlags = (
  thread: Thread<unknown, unknown>,
  flags: { readonly stopRequested: boolean; readonly interrupted: boolean; readonly checks: Int32Array }
): void => {
  const node = Given.node("shareFlags", thread)
  Given.flags("shareFlags", flags)
  node.flags = flags
  node.checks = flags.checks
}

/**
 * The reason that a `StopToken` shows while the real reason is still on its way: shared memory says that the thread was
 * cancelled, but synchronous code delays the message with the reason. The thread is interrupted with the real reason.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export const pendingReason: CancelReason.CancelReason = PendingReason.pendingReason

/**
 * Whether a fiber runs the release of a lease of its thread. Such code must not be ended by force, although the fiber of a
 * release with a limit is interruptible.
 *
 * @stability unstable
 * @category guards
 * @since 0.1.0
 */
export const isReleasing = (fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  Release.isReleasing(Given.fiber("isReleasing", fiber))

/**
 * Calls `begin` at the beginning of each section of a fiber that may be ended by force, inside the section's own async
 * scope. The returned function is called after the section, with whether the section was ended. Sections that an adapter
 * runs are not observed.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const observeSections = (begin: (fiber: Fiber.Fiber<unknown, unknown>) => (wasEnded: boolean) => void): void =>
  FiberSections.observe(Given.callable("observeSections", begin))

/**
 * Attaches a fiber to a thread. Cancelling the thread also interrupts the fiber, with the same reason, and cancels the
 * regions that the fiber enters from now on. No effect on a thread that has not begun or has ended, or that runs on another
 * adapter.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const extendTo = (thread: Thread<unknown, unknown>, fiber: Fiber.Fiber<unknown, unknown>): void => {
  const node = Given.node("extendTo", thread)
  Given.fiber("extendTo", fiber)
  if (node.ownFiber === undefined) return
  const inner = CancelScope.innerFibersOf(node, node.ownFiber)
  const interrupt = (reason: CancelReason.CancelReason): void =>
    fiber.interruptUnsafe(undefined, CancelReason.toAnnotations(reason))
  inner?.set(fiber, interrupt)
  fiber.addObserver(() => inner?.delete(fiber))
  if (node.isCancelled) interrupt(node.reason!)
}

/**
 * The controls of a thread.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const controlsOf = <A, E>(thread: Thread<A, E>): ThreadControls<A, E> =>
  Given.node("controlsOf", thread).controls

/**
 * A thread and its live descendants, each before its children.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const withDescendants = (thread: Thread<unknown, unknown>): ReadonlyArray<Thread<unknown, unknown>> => {
  const node = Given.node("withDescendants", thread)
  return node.isAlive ? [...node.withDescendants()] : []
}

/**
 * Calls `f` once with the exit of a thread: at its end, or at once if the thread has ended.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const onExit = <A, E>(thread: Thread<A, E>, f: (exit: Exit.Exit<A, E>) => void): void => {
  const node = Given.node("onExit", thread)
  Given.callable("onExit", f)
  const exit = node.controls.poll()
  if (exit !== undefined) return f(received(node, exit))
  node.onSettled(f)
}

/**
 * Enters a lease for synchronous code of a fiber into the ledger of the fiber's thread. The returned function ends the
 * lease; the first call counts.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const enterLease = (fiber: Fiber.Fiber<unknown, unknown>, lease: string): ((result: LeaseResult) => void) => {
  const node = Spawn.liveThread(Given.fiber("enterLease", fiber))
  Given.text("enterLease", lease)
  const entry = Ledger.enter(node, lease, node.clock.currentTimeMillisUnsafe())
  return (result) => Ledger.settle(entry, result, node.clock)
}

/**
 * An error in its encoded form from another thread, for a raise into a thread here. Each `receive` tries to decode the
 * error by its own Schema.
 *
 * With `reserved`, the raiser can still withdraw the error when a `receive` accepts it: `reserved` is called then, and the
 * `receive` fails with the error once `commit` has been called. A commit counts for any later `receive`, too.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const encodedError = (encoded: unknown, reserved?: (commit: () => void) => void): Raisable =>
  new EncodedError(encoded, reserved)
