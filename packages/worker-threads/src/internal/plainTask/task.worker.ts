/** The generic worker of `runTask`: loads a module and calls its default export, in a section that may be ended. */
import * as Blocking from "@quiesce/core/Blocking"
import * as CancelReason from "@quiesce/core/CancelReason"
import type * as StopToken from "@quiesce/core/StopToken"
import { messageOf } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as ThreadWorker from "../../ThreadWorker.ts"
import { type BadModule, Tasks, type Thrown, thrown } from "./taskContract.ts"

type Run = (input: unknown, context: { readonly signal: AbortSignal; readonly token: StopToken.StopToken }) => unknown

/** How long a loop may take to notice an abort by its token. */
const grace = "1 second"

const bad = (problem: string): BadModule => ({ _tag: "BadModule", problem })

const load = (url: string): Effect.Effect<Run, BadModule> =>
  Effect.flatMap(
    Effect.tryPromise({
      try: () => import(url) as Promise<{ readonly default?: unknown }>,
      catch: (cause) => bad(messageOf(cause))
    }),
    (module) =>
      typeof module.default === "function"
        ? // The caller knows the types of input and result.
          Effect.succeed(module.default as Run)
        : Effect.fail(bad("it has no default export that is a function"))
  )

/**
 * An interrupt aborts the signal, and then waits for the promise of the function. If the function then fails with an error
 * that is not the abort's, its cleanup has failed.
 */
const call = (run: Run, input: unknown): Effect.Effect<unknown, Thrown> =>
  Effect.suspend(() => {
    const controller = new AbortController()
    let settled: Promise<Exit.Exit<unknown, unknown>> | undefined
    /** The reason of an abort that the section may have noticed before this fiber. */
    let early: CancelReason.CancelReason | undefined
    const section = Blocking.interruptible(
      (token) => {
        settled = begin(() => run(input, { signal: controller.signal, token }))
        if (token.interrupted) early = token.reason
      },
      { grace }
    )
    const whole = Effect.flatMap(Effect.orDie(section), () =>
      Effect.flatMap(
        Effect.promise(() => settled!),
        (exit) =>
          early === undefined || Exit.isSuccess(exit)
            ? Effect.mapError(exit, thrown)
            : cleanedUp(exit, Effect.failCause(CancelReason.toCause(early)))
      )
    )
    return Effect.onExitPrimitive(whole, (exit) => {
      if (Exit.isSuccess(exit) || !Cause.hasInterrupts(exit.cause)) return undefined
      const reason = Option.getOrElse(CancelReason.fromExit(exit), () => CancelReason.interrupted())
      controller.abort(CancelReason.toError(reason))
      if (settled === undefined) return Effect.void
      return Effect.flatMap(
        Effect.promise(() => settled!),
        (ended) => cleanedUp(ended, Effect.void)
      )
    })
  })

/**
 * The outcome of a function that was aborted. `interruption` is for an error that only says so; the platform's functions give
 * such errors the same name. Any other error is a defect.
 */
const cleanedUp = (exit: Exit.Exit<unknown, unknown>, interruption: Effect.Effect<void>): Effect.Effect<void> => {
  if (Exit.isSuccess(exit)) return Effect.void
  const error = Cause.squash(exit.cause)
  return error instanceof Error && error.name === "AbortError" ? interruption : Effect.die(error)
}

/** Rethrows the error of `token.check`. */
const begin = (run: () => unknown): Promise<Exit.Exit<unknown, unknown>> => {
  try {
    return Promise.resolve(run()).then(Exit.succeed, Exit.fail)
  } catch (error) {
    if (error instanceof CancelReason.CancelError) throw error
    return Promise.resolve(Exit.fail(error))
  }
}

ThreadWorker.main(
  Tasks,
  Tasks.toLayer({ Run: ({ input, url }) => Effect.flatMap(load(url), (run) => call(run, input)) })
)
