/**
 * A lease: a scoped resource with a name. The ledger of a thread lists the leases that the thread holds, with their age,
 * and counts the results of their releases.
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
import * as Scope from "effect/Scope"
import * as Deadline from "./Deadline.ts"
import type { ThreadErrorReason } from "./ThreadError.ts"
import { CurrentNode, root } from "./internal/currentThread.ts"
import { isExceeded } from "./internal/deadlines.ts"
import { finiteMillis } from "./internal/duration.ts"
import * as Texts from "./internal/errorTexts.ts"
import { isEffect, readOr } from "./internal/foreignValue.ts"
import { givenText } from "./internal/givenText.ts"
import type { PendingRelease } from "./internal/leaseAccount.ts"
import * as LeasePlaces from "./internal/leasePlaces.ts"
import * as Ledger from "./internal/ledger.ts"
import * as Tracing from "./internal/tracing.ts"
import * as Misuse from "./internal/misuse.ts"
import * as Notice from "./internal/notice.ts"
import { CurrentRelease } from "./internal/release.ts"
import { liveThread } from "./internal/spawn.ts"
import type { LeaseEntry } from "./internal/ledger.ts"
import { nodeOfGiven } from "./internal/givenThreads.ts"
import { endOf, within } from "./internal/waiting.ts"
import type { Thread } from "./Thread.ts"

/**
 * The parts of a lease.
 *
 * `acquire` is uninterruptible unless `interruptible` is set. In both cases no cancel falls between the success of
 * `acquire` and the registration of the release. `release` is shielded from every cancel, also of the deadline around the
 * lease. A release that fails is reported, and its failure becomes a defect of the scope; so does a release that returns no
 * effect. `releaseWithin` limits a release: after that time it is interrupted without a wait and reported as timed out. The
 * remaining releases run in all cases.
 *
 * @stability unstable
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
 * Acquires a resource for the current scope and enters it in the ledger of the current thread. Wrong options are a defect.
 *
 * *Cancellation*: a cancel waits for the end of `acquire`. With `interruptible` the cancel ends `acquire`, and no lease is
 * held.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const acquire = <A, E, R, E2 = never, R2 = never>(
  options: Options<A, E, R, E2, R2>
): Effect.Effect<A, E, R | R2 | Scope.Scope> => {
  const misuse = misuseIn(options)
  if (misuse !== undefined) return Misuse.die(misuse, Texts.invalidLease)
  const acquired =
    options.releaseWithin === undefined
      ? lease(options)
      : Effect.flatMap(finiteMillis("Lease.acquire's releaseWithin", options.releaseWithin), (millis) =>
          lease(options, millis)
        )
  return LeasePlaces.tracker?.(acquired, options) ?? acquired
}

type InvalidLease = Extract<ThreadErrorReason, { readonly _tag: "InvalidLease" }>

type Parts = Readonly<Record<"name" | "acquire" | "release", unknown>>

const wrong = (options: Parts, option: keyof Parts): InvalidLease => ({
  _tag: "InvalidLease",
  option,
  given: givenText(options[option])
})

/** The wrong part of the options, which a caller without types may give. Nothing was acquired yet. */
const misuseIn = (options: Parts | null | undefined): InvalidLease | undefined => {
  if (typeof options !== "object" || options === null)
    return { _tag: "InvalidLease", option: "options", given: givenText(options) }
  if (typeof options.name !== "string") return wrong(options, "name")
  if (!Effect.isEffect(options.acquire)) return wrong(options, "acquire")
  return typeof options.release === "function" ? undefined : wrong(options, "release")
}

const lease = <A, E, R, E2, R2>(
  options: Options<A, E, R, E2, R2>,
  within?: number
): Effect.Effect<A, E, R | R2 | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiber((fiber) => {
      const { acquire, release: releaseOf } = Tracing.isTraced(fiber) ? Tracing.tracedLease(options) : options
      return Effect.flatMap(options.interruptible === true ? restore(acquire) : acquire, (resource) => {
        const clock = fiber.getRef(Clock.Clock)
        const entry = Ledger.enter(liveThread(fiber), options.name, clock.currentTimeMillisUnsafe())
        // The context of the acquire has the services of the release, and the scope.
        const scope = Context.getUnsafe(fiber.context as Context.Context<Scope.Scope>, Scope.Scope)
        kept ??= releaseOfNothing()
        const release = new Release(entry, clock, within, fiber.context, scope, resource, releaseOf)
        entry.release = release
        return Effect.as(
          Scope.addFinalizerExit(scope, (exit) => release.run(exit)),
          resource
        )
      })
    })
  )

/** The release of one lease. */
class Release<A> implements PendingRelease {
  readonly scope: Scope.Scope
  private readonly entry: LeaseEntry
  private readonly clock: Clock.Clock
  private readonly within: number | undefined
  private readonly context: Context.Context<never>
  private readonly resource: A
  private readonly release: (resource: A, exit: Exit.Exit<unknown, unknown>) => unknown
  /** The fiber of the release, once `takeOver` has started the release. */
  private taken: Fiber.Fiber<unknown> | undefined

  constructor(
    entry: LeaseEntry,
    clock: Clock.Clock,
    within: number | undefined,
    context: Context.Context<never>,
    scope: Scope.Scope,
    resource: A,
    release: (resource: A, exit: Exit.Exit<unknown, unknown>) => unknown
  ) {
    this.scope = scope
    this.resource = resource
    this.release = release
    this.entry = entry
    this.clock = clock
    this.within = within
    this.context = context
  }

  /** Called by the scope of the lease. The question and the start are one step, so that the release can't start twice. */
  run(exit: Exit.Exit<unknown, unknown>): Effect.Effect<unknown> {
    return Effect.withFiber((fiber) => (this.taken === undefined ? this.start(fiber, exit) : Fiber.join(this.taken)))
  }

  takeOver(exit: Exit.Exit<unknown, unknown>): Effect.Effect<Fiber.Fiber<unknown> | undefined> {
    return Effect.suspend(() => {
      if (this.taken !== undefined || this.entry.state !== "held") return Effect.succeed(undefined)
      const release = Effect.withFiber((fiber) => {
        // The current fiber is the fiber that was forked for the release.
        this.taken = fiber as Fiber.Fiber<unknown>
        return this.start(fiber, exit)
      })
      // The scheduler may delay the first step of the fiber, and the scope may come to the release before that step.
      this.taken = Effect.runForkWith(this.context)(release, { uninterruptible: true })
      return Effect.succeed(this.taken)
    })
  }

  /** A `release` that throws instead of returning an effect has failed, too. */
  private start(fiber: Fiber.Fiber<unknown, unknown>, exit: Exit.Exit<unknown, unknown>): Effect.Effect<unknown> {
    Ledger.beginRelease(this.entry, this.clock.currentTimeMillisUnsafe())
    if (this.within !== undefined) {
      const release = Effect.suspend(() => this.effectOf(exit))
      return this.bounded(release, this.within)
    }
    const outer = fiber.context
    fiber.setContext(this.isCancelled ? this.shielded(Infinity) : this.context)
    return Effect.matchCauseEffect(this.effectOf(exit), {
      // Effect makes one closure more of a function without the parameter.
      onSuccess: (_) => {
        fiber.setContext(outer)
        return this.record(Exit.void)
      },
      onFailure: (cause) => {
        fiber.setContext(outer)
        return this.record(Exit.failCause(cause))
      }
    })
  }

  /** Effect ends a whole fiber at a value that is no effect, and with it the releases that are still to run. */
  private effectOf(exit: Exit.Exit<unknown, unknown>): Effect.Effect<unknown, unknown> {
    const { release } = this
    let given
    try {
      given = release(this.resource, exit)
    } catch (error) {
      return Effect.die(error)
    }
    // Such an effect has the services of the lease.
    if (isEffect(given)) return given
    const invalid = Misuse.error(
      { _tag: "InvalidRelease", lease: this.entry.name, given: givenText(given) },
      Texts.invalidRelease
    )
    if (!isPromise(given)) return Effect.die(invalid)
    // Nobody else handles the rejection, and an unhandled one would end the process.
    given.catch((error: unknown) => Notice.log(this.context, "Error", invalid.message, error))
    return Effect.die(invalid)
  }

  /** Whether a token could see a cancel or a deadline in the release. */
  private get isCancelled(): boolean {
    return this.entry.node.isCancelled || Context.get(this.context, Deadline.Current) !== Infinity
  }

  /** The context of the release. No deadline from outside holds there. */
  private shielded(deadline: number): Context.Context<never> {
    const marked = Context.add(this.context, CurrentRelease, Context.get(this.context, CurrentNode))
    return Context.add(marked, Deadline.Current, deadline)
  }

  /**
   * The release runs in a fiber of its own, so that the limit holds despite the shield around all releases. For code inside
   * the limit is a deadline, which a token may notice first.
   */
  private bounded(release: Effect.Effect<unknown, unknown>, millis: number): Effect.Effect<unknown> {
    const limit = this.entry.since + millis
    const provided = Effect.provideContext(release, this.shielded(limit))
    const forked = Effect.forkDetach(provided, { startImmediately: true })
    return Effect.flatMap(forked, (fiber) => {
      // The release may have begun with synchronous code.
      const left = Math.max(0, limit - this.clock.currentTimeMillisUnsafe())
      return Effect.flatMap(within(endOf(fiber), left), (): Effect.Effect<unknown> => {
        const now = this.clock.currentTimeMillisUnsafe()
        const ended = fiber.pollUnsafe()
        let defects: ReadonlyArray<Cause.Reason<never>> = []
        if (ended !== undefined) {
          if (Exit.isSuccess(ended) || !isExceeded(ended.cause, limit, now)) return this.record(ended)
          // The deadline of a release is no defect.
          defects = ended.cause.reasons.filter(Cause.isDieReason)
        }
        fiber.interruptUnsafe()
        const error = Misuse.error({ _tag: "ReleaseTimedOut", lease: this.entry.name, millis }, Texts.releaseTimedOut)
        Ledger.settle(this.entry, "timedOut", this.clock, error.message)
        return Effect.failCause(Cause.fromReasons([Cause.makeDieReason(error), ...defects]))
      })
    })
  }

  private record(exit: Exit.Exit<unknown, unknown>): Effect.Effect<unknown> {
    if (Exit.isSuccess(exit)) {
      Ledger.settle(this.entry, "released", this.clock)
      return Effect.void
    }
    Ledger.settle(this.entry, "failed", this.clock, exit.cause)
    // The failure of a release is a defect, because no code can handle the failure.
    return Effect.failCause(
      Cause.fromReasons(
        exit.cause.reasons.map((reason) => (Cause.isFailReason(reason) ? Cause.makeDieReason(reason.error) : reason))
      )
    )
  }
}

/**
 * A release that lives as long as the program, and holds nothing of it. V8 forgets the shape of releases in a garbage
 * collection that finds none, and the optimized code with the shape.
 */
let kept: Release<unknown> | undefined

const releaseNothing = (): Effect.Effect<void> => Effect.void

const releaseOfNothing = (): Release<unknown> => {
  const entry = Ledger.unlisted(root, "nothing", 0)
  return new Release<unknown>(
    entry,
    root.clock,
    undefined,
    Context.empty(),
    Scope.makeUnsafe(),
    undefined,
    releaseNothing
  )
}

const isPromise = (u: unknown): u is Promise<unknown> => readOr(() => u instanceof Promise, false)

/**
 * A held lease: its name, the name of its thread, the milliseconds since the acquire, and whether the release is running.
 *
 * @stability unstable
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
 * The leases of the current thread, the latest first. Outside any thread: the leases that were acquired there.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const held: Effect.Effect<ReadonlyArray<Held>> = /* @__PURE__ */ Effect.withFiber((fiber) => {
  const now = fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()
  return Effect.succeed(
    Array.from(Ledger.held(liveThread(fiber)), (entry) => ({
      name: entry.name,
      thread: entry.node.name,
      ageMillis: now - entry.acquiredAt,
      releasing: entry.state === "releasing"
    }))
  )
})

/**
 * Counts over the life of a thread and all its descendants. The acquired leases that have none of the four results are
 * still held.
 *
 * @stability unstable
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
 * The counts of a thread and all its descendants, including ended threads.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const tally = (thread: Thread<unknown, unknown>): Effect.Effect<Tally> =>
  Effect.sync(() => Ledger.tallyBelow(nodeOfGiven("Lease.tally", thread)))
