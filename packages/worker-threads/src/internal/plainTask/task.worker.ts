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

/** An interrupt aborts the signal, and then waits for the promise of the function. */
const call = (run: Run, input: unknown): Effect.Effect<unknown, Thrown> =>
  Effect.suspend(() => {
    const controller = new AbortController()
    let settled: Promise<Exit.Exit<unknown, Thrown>> | undefined
    const section = Blocking.interruptible(
      (token) => {
        settled = begin(() => run(input, { signal: controller.signal, token }))
      },
      { grace }
    )
    const whole = Effect.flatMap(Effect.orDie(section), () =>
      Effect.flatMap(
        Effect.promise(() => settled!),
        (exit) => exit
      )
    )
    return Effect.onExitPrimitive(whole, (exit) => {
      if (Exit.isSuccess(exit) || !Cause.hasInterrupts(exit.cause)) return undefined
      const reason = Option.getOrElse(CancelReason.fromExit(exit), () => CancelReason.interrupted())
      controller.abort(CancelReason.toError(reason))
      return settled === undefined ? Effect.void : Effect.promise(() => settled!)
    })
  })

/** Rethrows the error of `token.check`. */
const begin = (run: () => unknown): Promise<Exit.Exit<unknown, Thrown>> => {
  try {
    return Promise.resolve(run()).then(Exit.succeed, (error: unknown) => Exit.fail(thrown(error)))
  } catch (error) {
    if (error instanceof CancelReason.CancelError) throw error
    return Promise.resolve(Exit.fail(thrown(error)))
  }
}

ThreadWorker.main(
  Tasks,
  Tasks.toLayer({ Run: ({ input, url }) => Effect.flatMap(load(url), (run) => call(run, input)) })
)
