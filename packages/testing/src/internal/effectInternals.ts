/**
 * Every part of Effect that this package needs and that Effect does not promise.
 *
 * | part | for | without the part |
 * | --- | --- | --- |
 * | each fiber asks its scheduler at its first step | seeing fibers and steps | the kit refuses to try a program |
 * | the tracer gets each primitive before its evaluation | resources of an effect, waits | the kit refuses to try a program |
 * | the state of a scope has a tag | finding open scopes | the kit refuses to try a program |
 * | a wait has a function `register` | naming the wait of a fiber | waits have no name, and one warning is logged |
 *
 * Invariant: a kit that can't see fibers or scopes reports a problem. It never reports that nothing is left over.
 */
import { textOf } from "@quiesce/core/internal"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"

export type Primitive = Tracer.EffectPrimitive<unknown>
type AnyFiber = Fiber.Fiber<unknown, unknown>

/** Evaluates a primitive, as a tracer must. */
export const evaluate = <A>(primitive: Tracer.EffectPrimitive<A>, fiber: AnyFiber): A =>
  primitive["~effect/Effect/evaluate"](fiber)

/** The text of the function by which a wait registers a fiber; undefined for other primitives. */
export const registration = (primitive: Primitive): string | undefined => {
  const { register } = primitive as { readonly register?: unknown }
  return typeof register === "function" ? Function.prototype.toString.call(register) : undefined
}

let isWarned = false

/** Logs one warning that the waits of fibers have no names. */
export const warnOfWaits = (): void => {
  if (isWarned) return
  isWarned = true
  Effect.runFork(
    Effect.logWarning(
      "@quiesce/testing does not know the waits of this version of Effect. Findings do not name the waits of fibers; nothing else changes."
    )
  )
}

let tried: { readonly problem: string | undefined } | undefined

/** The problem with seeing fibers and scopes in this version of Effect; undefined without a problem. Tried out once. */
export const visibilityProblem = (): string | undefined => (tried ??= { problem: attempt() }).problem

const attempt = (): string | undefined => {
  try {
    return fibersProblem() ?? scopesProblem()
  } catch (cause) {
    return `the trial threw ${textOf(cause)}`
  }
}

/** Runs a fiber that forks a waiting fiber, with a scheduler and a tracer that record both. */
const fibersProblem = (): string | undefined => {
  const inner = new Scheduler.MixedScheduler("sync")
  const [asking, evaluated] = [new Set<AnyFiber>(), new Set<AnyFiber>()]
  const scheduler: Scheduler.Scheduler = {
    executionMode: "sync",
    shouldYield: (fiber) => {
      asking.add(fiber)
      return inner.shouldYield(fiber)
    },
    makeDispatcher: () => inner.makeDispatcher()
  }
  const tracer = Tracer.make({
    span: (options) => new Tracer.NativeSpan(options),
    context: (primitive, fiber) => {
      evaluated.add(fiber)
      return evaluate(primitive, fiber)
    }
  })
  const context = Context.add(Context.make(Scheduler.Scheduler, scheduler), Tracer.Tracer, tracer)
  const parent = Effect.runForkWith(context)(Effect.forkDetach(Effect.never, { startImmediately: true }))
  const exit = parent.pollUnsafe()
  if (exit === undefined || Exit.isFailure(exit)) return "the fibers of the trial did not run"
  const child = exit.value
  child.interruptUnsafe()
  if (!asking.has(parent) || !asking.has(child)) return "fibers don't ask their scheduler at their first step"
  if (!evaluated.has(parent) || !evaluated.has(child)) return "a tracer does not get the steps of fibers"
  return undefined
}

const scopesProblem = (): string | undefined => {
  const scope = Scope.makeUnsafe()
  Effect.runSync(Scope.addFinalizer(scope, Effect.void))
  const open = tagOf(scope)
  Effect.runSync(Scope.close(scope, Exit.void))
  return open === "Open" && tagOf(scope) === "Closed" ? undefined : "the state of a scope has other tags"
}

const tagOf = (scope: Scope.Scope): string => scope.state._tag
