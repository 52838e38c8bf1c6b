/**
 * A group: threads under one scope that are shut down together. The policy of the group says whether the failure of one
 * thread ends the others.
 *
 * Invariants:
 * 1. The live threads of the group are children of its parent or, if the parent has ended, of the nearest live ancestor.
 * 2. `size` is the number of live threads. A join of the group waits until `size` is zero.
 * 3. Under `failFast` the group keeps the first failure and interrupts the siblings once. Under `collect` it keeps all
 *    failures.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { constVoid, identity } from "effect/Function"
import * as Inspectable from "effect/Inspectable"
import type { Pipeable } from "effect/Pipeable"
import { pipeArguments } from "effect/Pipeable"
import * as Scope from "effect/Scope"
import type * as Types from "effect/Types"
import * as CancelReason from "./CancelReason.ts"
import type { DeadlineExceeded } from "./Deadline.ts"
import * as Escalation from "./Escalation.ts"
import * as Argument from "./internal/argument.ts"
import { CurrentNode } from "./internal/currentThread.ts"
import { sharedCauses } from "./internal/effectInternals.ts"
import * as Texts from "./internal/errorTexts.ts"
import * as FiberInterrupt from "./internal/fiberInterrupt.ts"
import * as FiberThread from "./internal/fiberThread.ts"
import * as Climb from "./internal/climb.ts"
import { isEffect, readOr } from "./internal/foreignValue.ts"
import { failureOf } from "./internal/memberFailure.ts"
import * as Ladder from "./internal/ladder.ts"
import type { Observer } from "./internal/leaseAccount.ts"
import * as Report from "./internal/report.ts"
import { reasonIn, withReason } from "./internal/request.ts"
import * as Spawn from "./internal/spawn.ts"
import type { NodeGroup, Receipt, ThreadNode } from "./internal/threadNode.ts"
import * as Unjoined from "./internal/unjoined.ts"
import type { ShutdownReport } from "./ShutdownReport.ts"
import type { ShutdownOptions, SpawnOptions, Thread } from "./Thread.ts"
import * as Misuse from "./internal/misuse.ts"

const TypeId = "~@quiesce/core/ThreadGroup"

FiberInterrupt.choose(sharedCauses)

/**
 * The effect of a thread's failure on its group.
 *
 * - `failFast`: the siblings, also later ones, are interrupted with `SiblingFailed`; `joinAll` fails with the first failure
 * - `collect`: the siblings run on; `joinAll` fails with all failures in one Cause
 * - `isolate`: the siblings run on; only a join of the failed thread fails
 *
 * An interruption is not a failure. If an interrupted thread also fails, the group keeps only the failure. A thread that
 * ends because its token has noticed the deadline has failed with `DeadlineExceeded`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Policy = "failFast" | "collect" | "isolate"

/**
 * A group of threads. The group accepts threads whose errors are of type `E`, and its join fails with `F`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface ThreadGroup<in E = never, out F = E | DeadlineExceeded> extends Pipeable {
  readonly [TypeId]: ThreadGroup.Variance<E, F>
  readonly policy: Policy
  /** The number of live threads. */
  readonly size: number
}

/**
 * The types of a group.
 *
 * @since 0.1.0
 */
export declare namespace ThreadGroup {
  /**
   * The accepted errors of a group, and the errors of its join.
   *
   * @stability unstable
   * @category models
   * @since 0.1.0
   */
  interface Variance<in E, out F> {
    readonly _E: Types.Contravariant<E>
    readonly _F: Types.Covariant<F>
  }

  /**
   * Any group.
   *
   * @stability unstable
   * @category models
   * @since 0.1.0
   */
  type Any = ThreadGroup<never, unknown>
}

const variance: ThreadGroup.Variance<unknown, never> = { _E: constVoid, _F: identity }

class Group<E, F> extends Inspectable.Class implements ThreadGroup<E, F>, NodeGroup {
  readonly [TypeId]: ThreadGroup.Variance<E, F> = variance
  readonly policy: Policy
  /** The scope that the group was made in. */
  readonly scopeOfOrigin: Scope.Scope
  /** Closed once the group accepts no more threads. */
  readonly scope: Scope.Closeable = Scope.makeUnsafe()
  size = 0
  /** How many failures a join has received. */
  joined = 0
  /** How many members have ended with a failure that the group keeps. */
  kept = 0
  /**
   * The parts of these failures, each object once, because a member passes the failure of another one on by a join. Equal
   * errors are not sought: a comparison reads the errors, whose getters may throw.
   */
  readonly reasons = new Set<Cause.Reason<F>>()
  /** The reason for which a late thread does not start. */
  ending: CancelReason.CancelReason | undefined
  // Only the ledger changes this field.
  ledgerObservers: ReadonlyArray<Observer<ThreadNode>> | undefined
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

  /** The member that is the thread itself or one of its ancestors. */
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

  /** Records the exit of a member. The siblings are interrupted without a wait; a join of the group awaits them. */
  ended(node: ThreadNode, exit: Exit.Exit<unknown, unknown>): Receipt {
    const failure = this.policy === "isolate" ? undefined : failureOf(node, exit)
    const isKept = failure !== undefined && (this.policy === "collect" || this.kept === 0)
    if (isKept) this.keep(node, failure)
    if (--this.size === 0) {
      const emptied = this.emptied
      this.emptied = []
      for (const done of emptied) done()
    }
    if (!isKept) return "Ignored"
    return this.joined === this.kept ? "Received" : "Kept"
  }

  private keep(node: ThreadNode, failure: Cause.Cause<unknown>): void {
    this.kept++
    // A node notifies only the group of its spawn, and the policy is not `isolate`: `make` says which errors these are.
    for (const reason of (failure as Cause.Cause<F>).reasons) this.reasons.add(reason)
    if (this.policy === "collect") return
    const reason = (this.ending = {
      ...CancelReason.siblingFailed(node.name),
      by: node.name,
      at: node.clock.currentTimeMillisUnsafe()
    })
    const interrupts = Effect.forEach(this.members, (sibling) => Ladder.interrupt(sibling, reason), { discard: true })
    Effect.runFork(interrupts)
  }
}

const isGroup = (u: unknown): boolean => readOr(() => u instanceof Group, false)

/** Only this module makes groups. Throws where a user without types gives something else. */
const groupOf = <E, F>(operation: string, self: ThreadGroup<E, F>): Group<E, F> => {
  if (isGroup(self)) return self as Group<E, F>
  throw Argument.wrong(operation, self, aGroup)
}

const aGroup = "a group: the result of `yield* ThreadGroup.make()`"

/**
 * Makes a group in the current scope. When the scope closes, all threads of the group end at the same time, each by its own
 * escalation. The default policy is `failFast`.
 *
 * The type parameter is the error type of the threads: `ThreadGroup.make<NotFound | Offline>()`. A group with the policy
 * `isolate` accepts threads with any error, and its join does not fail.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make: {
  (options: { readonly policy: "isolate" }): Effect.Effect<ThreadGroup<unknown, never>, never, Scope.Scope>
  <E = never>(options?: { readonly policy?: Policy | undefined }): Effect.Effect<ThreadGroup<E>, never, Scope.Scope>
} = <E>(options?: { readonly policy?: Policy | undefined }) =>
  Effect.flatMap(Scope.Scope, (scopeOfOrigin) =>
    Effect.withFiber((fiber) => {
      const policy = typeof (options ?? {}) === "object" ? (options?.policy ?? "failFast") : undefined
      if (policy === undefined || !policies.includes(policy))
        return Argument.die("ThreadGroup.make", options?.policy ?? options, aPolicy)
      const clock = fiber.getRef(Clock.Clock)
      // `never` for the failures fits both signatures.
      const group = new Group<E, never>(policy, Spawn.liveThread(fiber), scopeOfOrigin)
      return Effect.as(
        Scope.addFinalizerExit(scopeOfOrigin, (exit) => {
          Scope.closeUnsafe(group.scope, exit)
          return endMembers(group, Ladder.reasonOfEnd(exit, group.parent, clock.currentTimeMillisUnsafe()))
        }),
        group
      )
    })
  )

const policies: ReadonlyArray<Policy> = ["failFast", "collect", "isolate"]

const aPolicy = `{ policy }, which is one of "${policies.join('", "')}"`

/** A member that closes the scope from inside is interrupted like the others, but not awaited. */
const endMembers = (group: Group<never, unknown>, reason: CancelReason.CancelReason): Effect.Effect<void> =>
  Effect.withFiber((fiber) => {
    const current = fiber.getRef(CurrentNode)
    const self = group.memberAround(current)
    if (self === undefined) return Climb.endAll(group.members, reason)
    const others = group.members.filter((member) => member !== self)
    return Effect.andThen(Ladder.interrupt(self, reason), Climb.endAll(others, reason))
  })

/**
 * Starts a thread in a group: `ThreadGroup.spawn(group, work)` or `work.pipe(ThreadGroup.spawn(group))`. In a group that
 * has already failed fast, the new thread is interrupted before it runs. In a group whose scope has closed, the new thread
 * has ended before it runs.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const spawn: <E, Arg extends Effect.Effect<unknown, E, unknown> | SpawnOptions | undefined = SpawnOptions>(
  self: ThreadGroup<E, unknown>,
  effectOrOptions?: Arg,
  options?: SpawnOptions
) => [Arg] extends [Effect.Effect<infer A, infer E1, infer R>]
  ? Effect.Effect<Thread<A, E1>, never, Exclude<R, Scope.Scope>>
  : <A, E1 extends E, R>(
      effect: Effect.Effect<A, E1, R>
    ) => Effect.Effect<Thread<A, E1>, never, Exclude<R, Scope.Scope>> = (self, effectOrOptions, options): never =>
  // The signature says which of both is returned.
  (isEffect(effectOrOptions)
    ? spawnInto(self, effectOrOptions, options)
    : Argument.curried(
        "ThreadGroup.spawn",
        Argument.anEffect,
        effectOrOptions as SpawnOptions | undefined,
        (effect: Effect.Effect<unknown, unknown, unknown>, given) => spawnInto(self, effect, given)
      )) as never

const spawnInto = <G, A, E, R>(
  self: ThreadGroup<G, unknown>,
  effect: Effect.Effect<A, E, R>,
  options: SpawnOptions | undefined
): Effect.Effect<Thread<A, E>, never, Exclude<R, Scope.Scope>> =>
  Effect.withFiber((fiber) => {
    const group = groupOf("ThreadGroup.spawn", self)
    if (!Argument.isWork(effect)) return Argument.die("ThreadGroup.spawn", effect, Argument.anEffect)
    const destination = {
      scope: group.scope,
      scopeOfOrigin: group.scopeOfOrigin,
      parent: group.parent,
      hasOwnLink: false
    }
    return Spawn.into<A, E>(fiber, destination, options, (node) => {
      node.group = group
      group.size++
      if (group.ending !== undefined) node.beginCancel("interrupt", group.ending)
      return FiberThread.fork(node, effect, fiber, options?.startImmediately === true)
    })
    // The other services of the effect are in the context of the fork.
  }) as Effect.Effect<Thread<A, E>, never, Exclude<R, Scope.Scope>>

/**
 * Waits until all threads of the group have ended, and then fails as the policy says.
 *
 * Dies with `SelfJoin` if a thread of the group, or a descendant, waits for its own group.
 *
 * *Cancellation*: only the wait ends.
 *
 * @stability unstable
 * @category joining
 * @since 0.1.0
 */
export const joinAll = <E, F>(self: ThreadGroup<E, F>): Effect.Effect<void, F> =>
  Effect.withFiber((fiber): Effect.Effect<void, F> => {
    const group = groupOf("ThreadGroup.joinAll", self)
    const current = fiber.getRef(CurrentNode)
    const around = group.memberAround(current)
    if (around !== undefined) return selfJoin(around)
    return Effect.flatMap(group.whenEmpty, () => {
      if (group.kept === 0) return Effect.void
      const failure = Cause.fromReasons([...group.reasons])
      group.joined = group.kept
      Unjoined.received(group, failure)
      return Effect.failCause(failure)
    })
  })

/**
 * Ends all threads of the group by climbing `options.escalation` (default: `Escalation.Current`) with all threads at the
 * same time, and returns a report for each. The group accepts new threads until its scope closes.
 *
 * *Cancellation*: the climb stops, but its requests stand.
 *
 * @stability unstable
 * @category stopping
 * @since 0.1.0
 */
export const shutdown: {
  (options?: ShutdownOptions): (self: ThreadGroup.Any) => Effect.Effect<ReadonlyArray<ShutdownReport>>
  (self: ThreadGroup.Any, options?: ShutdownOptions): Effect.Effect<ReadonlyArray<ShutdownReport>>
} = (first?: ThreadGroup.Any | ShutdownOptions, options?: ShutdownOptions): never =>
  // The signatures say which of both is returned.
  (isGroup(first)
    ? shutdownGroup(first as ThreadGroup.Any, options)
    : Argument.curried("ThreadGroup.shutdown", aGroup, first as ShutdownOptions | undefined, shutdownGroup)) as never

const shutdownGroup = (
  self: ThreadGroup.Any,
  options: ShutdownOptions | undefined
): Effect.Effect<ReadonlyArray<ShutdownReport>> =>
  withReason(reasonIn(options, defaultShutdown), (reason, current) =>
    Effect.withFiber((fiber) => {
      const group = groupOf("ThreadGroup.shutdown", self)
      const around = group.memberAround(current)
      if (around !== undefined) return selfJoin(around)
      return Report.shutdown(group, group.members, options?.escalation ?? fiber.getRef(Escalation.Current), reason)
    })
  )

const defaultShutdown = /* @__PURE__ */ CancelReason.shutdown()

const selfJoin = (member: ThreadNode): Effect.Effect<never> =>
  Misuse.die({ _tag: "SelfJoin", thread: member.name }, Texts.selfJoin)
