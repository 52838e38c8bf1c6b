/**
 * The operations of the ladder in real time, during which virtual time stands still.
 */
import * as ThreadAdapter from "@quiesce/core/adapter"
import type * as ThreadControls from "@quiesce/core/adapter"
import type { AnyThread, Work } from "@quiesce/testing/laws/Subject"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"

/** The operations of a run that this module needs. */
export interface Run {
  /** The number of the section that spins now, if one does. */
  readonly spinning: () => number | undefined
  /** Whether the engine is asked even if no synchronous code runs. */
  readonly isThorough: boolean
  /** Called with the section that was ended. The next section may already run. */
  readonly unwound: (spin: number | undefined) => void
  readonly changed: () => void
  /** Whether a kill takes the worker away. */
  readonly killEndsWorker: boolean
}

const idle: ThreadControls.UnwindOutcome = { _tag: "Idle" }

export class Effort {
  private readonly run: Run
  private underWay = 0
  /** The worker was killed, and is not gone yet. */
  isDying = false

  constructor(run: Run) {
    this.run = run
  }

  get isUnderWay(): boolean {
    return this.underWay > 0 || this.isDying
  }

  /** Observes the controls of the spawned thread. */
  watch(spawned: Work<AnyThread, Scope.Scope>): Work<AnyThread, Scope.Scope> {
    return Effect.map(spawned, (thread) =>
      Object.assign(thread, { controls: this.watched(ThreadAdapter.controlsOf(thread)) })
    )
  }

  private watched(
    controls: ThreadControls.ThreadControls<unknown, unknown>
  ): ThreadControls.ThreadControls<unknown, unknown> {
    return new Proxy(controls, {
      get: (target, key) => {
        if (key === "locate") return this.asked(target.locate, Option.none())
        if (key === "unwind") return Option.map(target.unwind, (unwind) => this.asked(this.unwinding(unwind), idle))
        if (key === "kill") return Option.map(target.kill, (kill) => this.killing(kill))
        const value: unknown = Reflect.get(target, key, target)
        return typeof value === "function" ? value.bind(target) : value
      }
    })
  }

  /**
   * Asks the engine only if synchronous code runs. For a waiting worker, the engine needs half a second of real time to
   * find no code.
   */
  private asked<A>(effect: Effect.Effect<A>, otherwise: A): Effect.Effect<A> {
    return Effect.suspend(() => {
      if (this.run.spinning() === undefined && !this.run.isThorough) return Effect.succeed(otherwise)
      return this.during(effect)
    })
  }

  /** Time stands still during the effect. */
  during<A>(effect: Effect.Effect<A>): Effect.Effect<A> {
    return Effect.suspend(() => {
      this.underWay++
      return Effect.ensuring(
        effect,
        Effect.sync(() => {
          this.underWay--
          this.run.changed()
        })
      )
    })
  }

  private unwinding(unwind: Effect.Effect<ThreadControls.UnwindOutcome>): Effect.Effect<ThreadControls.UnwindOutcome> {
    return Effect.suspend(() => {
      const spin = this.run.spinning()
      return Effect.map(unwind, (outcome) => {
        // The worker resumes afterwards.
        if (outcome._tag === "Unwound") this.run.unwound(spin)
        return outcome
      })
    })
  }

  private killing<A extends Array<never>, B>(kill: (...args: A) => Effect.Effect<B>): (...args: A) => Effect.Effect<B> {
    return (...args) =>
      Effect.suspend(() => {
        this.isDying = this.run.killEndsWorker
        return kill(...args)
      })
  }
}
