/**
 * A lease: a scoped resource that has a name and is entered in the ledger of the thread that holds it, so that one can
 * see what a thread holds, since when, and what became of it.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { finiteMillis } from "./internal/duration.ts"
import * as Ledger from "./internal/ledger.ts"
import { liveOwner } from "./internal/spawn.ts"
import type { LeaseEntry, ThreadNode } from "./internal/threadNode.ts"
import type { Thread } from "./Thread.ts"
import * as ThreadError from "./ThreadError.ts"

/**
 * What a lease is made of.
 *
 * `acquire` is uninterruptible unless `interruptible` is set; either way no cancel falls between its success and the
 * registration of the release. `release` is shielded from every cancel, and may fail: then the failure is reported and
 * becomes a defect of the scope, and the remaining releases run. With `releaseWithin` it is given up after that time:
 * it is interrupted without being waited for, reported as timed out, and the remaining releases run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, E, R, E2, R2> {
  readonly name: string
  readonly acquire: Effect.Effect<A, E, R>
  readonly release: (resource: A, exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown, E2, R2>
  readonly releaseWithin?: Duration.Input | undefined
  readonly interruptible?: boolean | undefined
}

/**
 * Acquires a resource for the current scope and enters it in the ledger of the current thread.
 *
 * *Cancellation*: during `acquire` it is delayed, or with `interruptible` ends it, and then nothing is held.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, E, R, E2 = never, R2 = never>(
  options: Options<A, E, R, E2, R2>
): Effect.Effect<A, E | ThreadError.ThreadError, R | R2 | Scope.Scope> =>
  options.releaseWithin === undefined
    ? lease(options, undefined)
    : Effect.flatMap(Effect.fromResult(finiteMillis("Lease.make's releaseWithin", options.releaseWithin)), (millis) =>
        lease(options, millis)
      )

const lease = <A, E, R, E2, R2>(
  options: Options<A, E, R, E2, R2>,
  within: number | undefined
): Effect.Effect<A, E, R | R2 | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiber((fiber) =>
      Effect.flatMap(options.interruptible === true ? restore(options.acquire) : options.acquire, (resource) => {
        const context = fiber.context as Context.Context<R2 | Scope.Scope>
        const clock = fiber.getRef(Clock.Clock)
        const entry = Ledger.enter(liveOwner(fiber), options.name, clock.currentTimeMillisUnsafe())
        const finalizer = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<unknown> => {
          entry.state = "releasing"
          entry.since = clock.currentTimeMillisUnsafe()
          const release = Effect.provideContext(Effect.orDie(options.release(resource, exit)), context)
          return within === undefined ? recorded(release, entry, clock) : bounded(release, entry, clock, within)
        }
        return Effect.as(
          Scope.addFinalizerExit(Context.get(context, Scope.Scope), (exit) =>
            Effect.suspend(() => begin(finalizer, exit, entry, clock))
          ),
          resource
        )
      })
    )
  )

/** A `release` that throws instead of giving an effect has failed, too. */
const begin = (
  finalizer: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<unknown>,
  exit: Exit.Exit<unknown, unknown>,
  entry: LeaseEntry,
  clock: Clock.Clock
): Effect.Effect<unknown> => {
  try {
    return finalizer(exit)
  } catch (defect) {
    return recorded(Effect.die(defect), entry, clock)
  }
}

const recorded = (release: Effect.Effect<unknown>, entry: LeaseEntry, clock: Clock.Clock): Effect.Effect<unknown> =>
  Effect.onExitPrimitive(release, (exit) => {
    record(exit, entry, clock)
    return undefined
  })

const record = (exit: Exit.Exit<unknown, unknown>, entry: LeaseEntry, clock: Clock.Clock): void => {
  const now = () => clock.currentTimeMillisUnsafe()
  if (Exit.isSuccess(exit)) Ledger.settle(entry, "released", now)
  else Ledger.settle(entry, "failed", now, Cause.pretty(exit.cause))
}

/** The release runs in a fiber of its own, so that its limit holds despite the shield around all releases. */
const bounded = (
  release: Effect.Effect<unknown>,
  entry: LeaseEntry,
  clock: Clock.Clock,
  millis: number
): Effect.Effect<unknown> =>
  Effect.flatMap(Effect.forkDetach(release, { startImmediately: true }), (fiber) =>
    Effect.flatMap(Effect.timeoutOption(Fiber.await(fiber), millis), (ended): Effect.Effect<unknown> => {
      if (Option.isSome(ended)) {
        record(ended.value, entry, clock)
        return ended.value
      }
      fiber.interruptUnsafe()
      const error = ThreadError.make({ _tag: "ReleaseTimedOut", lease: entry.name, millis })
      Ledger.settle(entry, "timedOut", () => clock.currentTimeMillisUnsafe(), error.message)
      return Effect.die(error)
    })
  )

/**
 * A lease that is held now: its name, the milliseconds since it was acquired, and whether its release is under way.
 *
 * @category models
 * @since 0.1.0
 */
export interface Held {
  readonly name: string
  readonly thread: string
  readonly ageMillis: number
  readonly releasing: boolean
}

/**
 * What the current thread holds, or outside any thread what is held there; the latest first.
 *
 * @category observing
 * @since 0.1.0
 */
export const held: Effect.Effect<ReadonlyArray<Held>> = Effect.withFiber((fiber) => {
  const now = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
  return Effect.succeed(
    Array.from(Ledger.held(liveOwner(fiber)), (entry) => ({
      name: entry.name,
      thread: entry.node.name,
      ageMillis: now - entry.acquiredAt,
      releasing: entry.state === "releasing"
    }))
  )
})

/**
 * Counts over the life of a thread and all its descendants. What is neither released, failed, timed out nor lost is
 * held still.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tally {
  readonly acquired: number
  readonly released: number
  readonly failed: number
  readonly timedOut: number
  readonly lost: number
}

/**
 * The counts of a thread and all its descendants, those that have ended included.
 *
 * @category observing
 * @since 0.1.0
 */
export const tally = (thread: Thread<unknown, unknown>): Effect.Effect<Tally> =>
  // Every handle is a node of the tree.
  Effect.sync(() => Ledger.tallyBelow(thread as unknown as ThreadNode))
