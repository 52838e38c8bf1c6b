/**
 * Threads under one scope that are shut down together, with a policy for what a failure of one means for the others.
 *
 * Invariants:
 * 1. The live threads of the group are children of its parent or, when that has ended, of the nearest ancestor that has
 *    not: what was spawned below the parent ends with it.
 * 2. `size` is their number; who joins the group waits for it to be zero.
 * 3. Under `failFast` the first failure is kept and its siblings are interrupted, once; under `collect` all are kept.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import type { Pipeable } from "effect/Pipeable"
import { pipeArguments } from "effect/Pipeable"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as CancelReason from "./CancelReason.ts"
import * as Escalation from "./Escalation.ts"
import { CurrentNode } from "./internal/currentThread.ts"
import * as FiberThread from "./internal/fiberThread.ts"
import * as Climb from "./internal/climb.ts"
import * as Ladder from "./internal/ladder.ts"
import type { Observer } from "./internal/leaseAccount.ts"
import * as Report from "./internal/report.ts"
import { withReason } from "./internal/request.ts"
import * as Spawn from "./internal/spawn.ts"
import type { NodeGroup, ThreadNode } from "./internal/threadNode.ts"
import type { ShutdownReport } from "./ShutdownReport.ts"
import type { SpawnOptions, Thread } from "./Thread.ts"
import * as ThreadError from "./ThreadError.ts"

const TypeId = "~@quiesce/core/ThreadGroup"

/**
 * What the failure of a thread means for its group.
 *
 * - `failFast`: its siblings, later ones too, are interrupted with `SiblingFailed`; `joinAll` fails as it failed
 * - `collect`: its siblings run on; `joinAll` fails with all failures in one Cause
 * - `isolate`: it is nobody's business but of those who join that thread
 *
 * An interruption is not a failure, and is left out where a thread that was interrupted fails besides.
 *
 * @category models
 * @since 0.1.0
 */
export type Policy = "failFast" | "collect" | "isolate"

/**
 * A group of threads; `E` is how they may fail.
 *
 * @category models
 * @since 0.1.0
 */
export interface ThreadGroup<in out E = never> extends Pipeable {
  readonly [TypeId]: (_: E) => E
  readonly policy: Policy
  /** The number of live threads. */
  readonly size: number
}

class Group<E> extends Inspectable.Class implements ThreadGroup<E>, NodeGroup {
  readonly [TypeId] = (_: E): E => _
  readonly policy: Policy
  /** The scope that the group was made in. */
  readonly scopeOfOrigin: Scope.Scope
  /** Closed when the group takes no more threads. */
  readonly scope: Scope.Closeable = Scope.makeUnsafe()
  size = 0
  failure: Cause.Cause<E> | undefined = undefined
  /** Why a thread that comes too late does not start. */
  ending: CancelReason.CancelReason | undefined = undefined
  // Changed by the ledger only.
  ledgerObservers: ReadonlyArray<Observer<ThreadNode>> | undefined = undefined
  private readonly maker: ThreadNode
  private emptied: Array<() => void> = []

  constructor(policy: Policy, maker: ThreadNode, scopeOfOrigin: Scope.Scope) {
    super()
    this.policy = policy
    this.maker = maker
    this.scopeOfOrigin = scopeOfOrigin
  }

  get parent(): ThreadNode {
    return Spawn.nearestAlive(this.maker)
  }

  get members(): ReadonlyArray<ThreadNode> {
    return this.parent.membersOf(this)
  }

  /** The member that a thread is or lives below. */
  memberAround(thread: ThreadNode): ThreadNode | undefined {
    for (let node: ThreadNode | undefined = thread; node !== undefined; node = node.parentNode) {
      if (node.group === this && node.isAlive) return node
    }
    return undefined
  }

  get whenEmpty(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.size === 0) return resume(Effect.void)
      const done = () => resume(Effect.void)
      this.emptied.push(done)
      return Effect.sync(() => {
        this.emptied = this.emptied.filter((other) => other !== done)
      })
    })
  }

  pipe(): unknown {
    return pipeArguments(this, arguments)
  }

  toJSON(): unknown {
    return { _id: "ThreadGroup", policy: this.policy, size: this.size }
  }

  /** Notes how a member ended. Its siblings are only asked here; whoever joins the group waits for them. */
  ended(node: ThreadNode, exit: Exit.Exit<unknown, unknown>): void {
    if (this.policy !== "isolate" && Exit.isFailure(exit)) {
      // An interruption beside a failure is the member's own: it would end whoever joins, as if that had been asked to end.
      const wrong = exit.cause.reasons.filter((reason) => !Cause.isInterruptReason(reason))
      // A node tells only the group that it was spawned into.
      if (wrong.length > 0) this.failed(node, Cause.fromReasons(wrong) as Cause.Cause<E>)
    }
    if (--this.size > 0) return
    const emptied = this.emptied
    this.emptied = []
    for (const done of emptied) done()
  }

  private failed(node: ThreadNode, cause: Cause.Cause<E>): void {
    if (this.policy === "collect") {
      this.failure = this.failure === undefined ? cause : Cause.combine(this.failure, cause)
    } else if (this.failure === undefined) {
      this.failure = cause
      const reason = (this.ending = {
        ...CancelReason.siblingFailed(node.name),
        by: node.name,
        at: node.clock.currentTimeMillisUnsafe()
      })
      const interrupts = Effect.forEach(this.members, (sibling) => Ladder.interrupt(sibling, reason), { discard: true })
      Effect.runFork(interrupts)
    }
  }
}

/** Only this module makes groups. */
const groupOf = <E>(self: ThreadGroup<E>): Group<E> => self as Group<E>

/**
 * Makes a group in the current scope. When that closes, the group's threads end, all at once, each by its own
 * escalation. The policy is `failFast` unless another is named.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E = never>(options?: {
  readonly policy?: Policy | undefined
}): Effect.Effect<ThreadGroup<E>, never, Scope.Scope> =>
  Effect.flatMap(Scope.Scope, (scopeOfOrigin) =>
    Effect.withFiber((fiber) => {
      const clock = fiber.getRef(Clock.Clock)
      const group = new Group<E>(options?.policy ?? "failFast", Spawn.liveThread(fiber), scopeOfOrigin)
      return Effect.as(
        Scope.addFinalizerExit(scopeOfOrigin, (exit) => {
          Scope.closeUnsafe(group.scope, exit)
          return endMembers(group, Ladder.reasonOfEnd(exit, group.parent, clock.currentTimeMillisUnsafe()))
        }),
        group
      )
    })
  )

/** A member that closes the scope from inside is interrupted like the others, and can't wait for itself. */
const endMembers = <E>(group: Group<E>, reason: CancelReason.CancelReason): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const current = fiber.getRef(CurrentNode)
    const self = group.memberAround(current)
    if (self === undefined) return Climb.endAll(group.members, reason)
    const others = group.members.filter((member) => member !== self)
    return Effect.andThen(Ladder.interrupt(self, reason), Climb.endAll(others, reason))
  })

/**
 * Starts a thread in a group. In one that has failed fast it has ended before it ran, as its siblings have. Fails with `ScopeClosed` when the group's scope has closed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const spawn = <E, A, E1 extends E, R>(
  self: ThreadGroup<E>,
  effect: Effect.Effect<A, E1, R>,
  options?: SpawnOptions
): Effect.Effect<Thread<A, E1>, ThreadError.ThreadError, Exclude<R, Scope.Scope>> =>
  Effect.uninterruptible(
    Effect.withFiber((fiber) => {
      const group = groupOf(self)
      const destination = {
        scope: group.scope,
        scopeOfOrigin: group.scopeOfOrigin,
        parent: group.parent,
        hasOwnLink: false
      }
      return Spawn.into<A, E1>(fiber, destination, options, (node) => {
        node.group = group
        group.size++
        if (group.ending !== undefined) node.beginCancel("interrupt", group.ending)
        return FiberThread.fork(node, effect, fiber.context, options?.startImmediately === true)
      })
    })
    // What the effect requires besides a scope is in the context that it is forked with.
  ) as Effect.Effect<Thread<A, E1>, ThreadError.ThreadError, Exclude<R, Scope.Scope>>

/**
 * Waits until no thread of the group is left, and then fails as the policy says.
 *
 * Fails with `SelfJoin` when a thread of the group, or below one, would wait for its own group.
 *
 * *Cancellation*: only the waiting ends.
 *
 * @category joining
 * @since 0.1.0
 */
export const joinAll = <E>(self: ThreadGroup<E>): Effect.Effect<void, E | ThreadError.ThreadError> =>
  Effect.withFiber((fiber): Effect.Effect<void, E | ThreadError.ThreadError> => {
    const group = groupOf(self)
    const current = fiber.getRef(CurrentNode)
    const around = group.memberAround(current)
    if (around !== undefined) return selfJoin(around)
    return Effect.flatMap(group.whenEmpty, () =>
      group.failure === undefined ? Effect.void : Effect.failCause(group.failure)
    )
  })

/**
 * Ends all threads of the group by climbing `escalation` (default: `Escalation.Current`), all at once and with one
 * budget, and reports on each. The group takes new threads all the same, until its scope closes.
 *
 * *Cancellation*: what was asked stays asked; nobody climbs on.
 *
 * @category stopping
 * @since 0.1.0
 */
export const shutdown = <E>(
  self: ThreadGroup<E>,
  escalation?: Escalation.Escalation,
  options?: { readonly reason?: CancelReason.CancelReason | undefined }
): Effect.Effect<ReadonlyArray<ShutdownReport>, ThreadError.ThreadError> =>
  withReason(options?.reason ?? defaultShutdown, (reason, current) =>
    Effect.withFiber((fiber) => {
      const group = groupOf(self)
      const around = group.memberAround(current)
      if (around !== undefined) return selfJoin(around)
      const steps = Escalation.steps(escalation ?? fiber.getRef(Escalation.Current))
      return Result.isFailure(steps)
        ? Effect.fail(steps.failure)
        : Report.shutdown(group, group.members, steps.success, reason)
    })
  )

const defaultShutdown = CancelReason.shutdown()

const selfJoin = (member: ThreadNode): Effect.Effect<never, ThreadError.ThreadError> =>
  Effect.fail(ThreadError.make({ _tag: "SelfJoin", thread: member.name }))
