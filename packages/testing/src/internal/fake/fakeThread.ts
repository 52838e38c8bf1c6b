/**
 * The controls of a fake thread.
 *
 * Invariants:
 * 1. The state only moves forward: Running, Ending, Killed, Ended. A thread may skip states.
 * 2. An end begins once and is not hurried. Only a kill interrupts its releases.
 * 3. `held` are the leases without a release so far, in the order of their acquires.
 * 4. `waiting` are the fibers of current reactions. An ended or abandoned thread has none.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import type * as ThreadAdapter from "@quiesce/core/adapter"
import type { UnwindOutcome } from "@quiesce/core/adapter"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Lease, Reaction, Script } from "./script.ts"

interface Held {
  readonly lease: Lease
  readonly end: ReturnType<ThreadAdapter.RemoteThread<unknown, unknown>["enter"]>
}

const atOnce: Reaction<never, never> = { _tag: "Ends", after: 0, exit: undefined }

export class FakeThread<A, E> implements ThreadAdapter.Controls {
  private readonly cell: ThreadAdapter.RemoteThread<A | void, E>
  private readonly script: Script<A, E>
  private readonly clock: Clock.Clock
  private readonly held: Array<Held> = []
  private readonly waiting: Set<Fiber.Fiber<unknown, unknown>> = new Set()
  private readonly raises: Set<() => void> = new Set()
  private state: "Running" | "Ending" | "Killed" | "Ended" = "Running"
  /** The first reason of an interrupt. */
  private reason: CancelReason.CancelReason | undefined = undefined

  constructor(cell: ThreadAdapter.RemoteThread<A | void, E>, script: Script<A, E>, clock: Clock.Clock) {
    this.cell = cell
    this.script = script
    this.clock = clock
  }

  // ---- States ----

  get start(): Effect.Effect<void> {
    return Effect.suspend(() => {
      for (const lease of this.script.leases ?? []) this.held.push({ lease, end: this.cell.enter(lease.name) })
      return this.react(this.script.onStart, () => Exit.void)
    })
  }

  /** Ends the thread, or abandons it. */
  close(): void {
    this.state = "Ended"
    this.halt(undefined)
    for (const answer of this.raises) answer()
    this.raises.clear()
  }

  private halt(except: object | undefined): void {
    for (const fiber of Array.from(this.waiting)) if (fiber !== except) fiber.interruptUnsafe()
  }

  /** Runs a reaction in a fiber of its own, so that the request returns. */
  private react(
    reaction: Reaction<A, E> | undefined,
    usual: () => Exit.Exit<A | void, E>,
    end: (exit: () => Exit.Exit<A | void, E>, by: object) => Effect.Effect<void> = this.end
  ): Effect.Effect<void> {
    if (reaction?._tag !== "Ends") return Effect.void
    return this.inBackground(
      Effect.andThen(
        this.sleep(reaction.after),
        Effect.withFiber((fiber) => end(() => reaction.exit ?? usual(), fiber))
      )
    )
  }

  private inBackground(effect: Effect.Effect<void>): Effect.Effect<void> {
    // The fiber is recorded from its first step on, also if the requesting fiber ends.
    const known = Effect.withFiber<void>((fiber) => {
      if (this.state === "Ended") return Effect.void
      this.waiting.add(fiber)
      fiber.addObserver(() => this.waiting.delete(fiber))
      return effect
    })
    return Effect.asVoid(Effect.forkDetach(known, { startImmediately: true }))
  }

  private sleep(time: Duration.Input): Effect.Effect<void> {
    const duration = Duration.fromInputUnsafe(time)
    if (!Duration.isFinite(duration)) return Effect.never
    return Duration.isZero(duration) ? Effect.void : this.clock.sleep(duration)
  }

  /** Ends by itself, after the release of all leases. */
  private readonly end = (exit: () => Exit.Exit<A | void, E>): Effect.Effect<void> => {
    if (this.state !== "Running") return Effect.void
    this.state = "Ending"
    return Effect.andThen(
      this.release(() => true),
      Effect.sync(() => this.cell.settle(exit()))
    )
  }

  /** Ends by force, in the fiber `by`. Leases of the host are released, and all others are lost. */
  private readonly endByForce = (exit: () => Exit.Exit<A | void, E>, by: object): Effect.Effect<void> => {
    if (this.state === "Killed" || this.state === "Ended") return Effect.void
    this.state = "Killed"
    this.halt(by)
    return Effect.andThen(
      this.release(({ keeper }) => keeper === "host"),
      Effect.sync(() => this.cell.settle(exit()))
    )
  }

  private release(isIts: (lease: Lease) => boolean): Effect.Effect<void> {
    const leases = this.held.filter(({ lease }) => isIts(lease)).toReversed()
    return Effect.forEach(
      leases,
      (held) =>
        Effect.map(this.sleep(held.lease.takes ?? 0), () => {
          this.held.splice(this.held.indexOf(held), 1)
          held.end(held.lease.fate ?? "released", held.lease.error ?? null)
        }),
      { discard: true }
    )
  }

  // ---- Controls ----

  requestStop(): Effect.Effect<void> {
    return this.react(this.script.onStop, () => Exit.void)
  }

  requestInterrupt(reason: CancelReason.CancelReason): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.reason !== undefined) return Effect.void
      this.reason = reason
      return this.react(this.script.onInterrupt ?? atOnce, () => this.interrupted)
    })
  }

  raise(): Effect.Effect<boolean> {
    return Effect.callback((resume) => {
      const answer = () => resume(Effect.succeed(false))
      if (this.state === "Ended") return answer()
      this.raises.add(answer)
      return Effect.sync(() => this.raises.delete(answer))
    })
  }

  get unwind(): Option.Option<Effect.Effect<UnwindOutcome>> {
    const { onUnwind = atOnce } = this.script
    if (onUnwind._tag === "Lacks") return Option.none()
    return Option.some(
      Effect.suspend((): Effect.Effect<UnwindOutcome> => {
        const { stack } = this.script
        if (onUnwind._tag === "Refuses") return Effect.succeed({ _tag: "Refused", why: onUnwind.why, stack })
        if (onUnwind._tag === "Ignores" || this.state !== "Running") return Effect.succeed({ _tag: "Idle" })
        return Effect.as(
          this.react(onUnwind, () => this.interrupted),
          { _tag: "Unwound", stack }
        )
      })
    )
  }

  get kill(): Option.Option<(reason: CancelReason.CancelReason) => Effect.Effect<void>> {
    const { onKill = atOnce } = this.script
    if (onKill._tag === "Lacks") return Option.none()
    return Option.some((reason) => this.react(onKill, () => this.killed(reason), this.endByForce))
  }

  get locate(): Effect.Effect<Option.Option<string>> {
    return Effect.succeed(Option.fromUndefinedOr(this.script.stack))
  }

  private get interrupted(): Exit.Exit<never> {
    return Exit.failCause(CancelReason.toCause(this.reason ?? CancelReason.interrupted()))
  }

  private killed(reason: CancelReason.CancelReason): Exit.Exit<never> {
    const lost = this.cell.held()
    return Exit.failCause(ForcedEnd.annotate(CancelReason.toCause(reason), ForcedEnd.killed(this.cell.name, lost)))
  }
}
