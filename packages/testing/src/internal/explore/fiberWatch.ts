/**
 * Records every fiber of a run at each step. The record gives the place of a cancel, and the fibers and scopes that are left.
 *
 * Invariant: `fibers` has every fiber that has made a step, and `scopes` the scopes of these fibers.
 */
import * as Thread from "@quiesce/core/Thread"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as Waits from "./waits.ts"
import { counted } from "../wording.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

export class FiberWatch {
  /** The fibers with their numbers in the order of their first steps, because ids differ between runs. */
  private readonly fibers = new Map<AnyFiber, number>()
  private readonly scopes = new Map<Scope.Scope, string>()
  private readonly last = new WeakMap<AnyFiber, Tracer.EffectPrimitive<unknown>>()
  /** The fiber that made the last step. */
  private current: AnyFiber | undefined = undefined
  /** The fiber of the test itself, while it only waits for the program. */
  waiter: AnyFiber | undefined = undefined
  readonly tracer: Tracer.Tracer = Waits.tracer((primitive, fiber) => this.last.set(fiber, primitive))

  readonly observe = (fiber: AnyFiber): void => {
    this.current = fiber
    if (!this.fibers.has(fiber)) this.fibers.set(fiber, this.fibers.size + 1)
    const scope = Context.getOrUndefined(fiber.context, Scope.Scope)
    if (scope !== undefined && !this.scopes.has(scope)) this.scopes.set(scope, this.placeOf(fiber))
  }

  /** The place of the fiber that made the last step. */
  get place(): string {
    return this.current === undefined ? "before the first step" : this.placeOf(this.current)
  }

  /** The live fibers, each with its wait. */
  get waiting(): ReadonlyArray<string> {
    return [...this.fibers.keys()]
      .filter((fiber) => fiber !== this.waiter && fiber.pollUnsafe() === undefined)
      .map((fiber) => `${this.placeOf(fiber)} waits for ${Waits.describe(this.last.get(fiber))}`)
  }

  /** The open scopes. */
  get openScopes(): ReadonlyArray<string> {
    return [...this.scopes].flatMap(([scope, place]) => {
      if (scope.state._tag !== "Open") return []
      const count = scope.state.finalizers?.size ?? 1
      return [`a scope first seen in ${place} was never closed, with ${counted(count, "finalizer")} in it`]
    })
  }

  private placeOf(fiber: AnyFiber): string {
    return `fiber ${this.fibers.get(fiber)}${threadOf(fiber)}${spansOf(fiber)}`
  }
}

/** The watch has a scheduler and a tracer of its own, so that watching is not a step of the program. */
const aside = Context.make(Scheduler.Scheduler, new Scheduler.MixedScheduler("sync") as Scheduler.Scheduler).pipe(
  Context.add(Tracer.Tracer, Tracer.nativeTracer)
)

const threadOf = (fiber: AnyFiber): string => {
  const context = Context.merge(fiber.context, aside)
  const thread = Effect.runSyncExit(Effect.provideContext(Thread.current, context))
  return Exit.isSuccess(thread) ? ` of thread "${thread.value.name}"` : ""
}

/** The name that `Effect.fn` gives to the place of a function's definition. */
const definition = " (definition)"

/**
 * The spans and traced functions around a fiber, the innermost last, with the innermost place. A function of `Effect.fn` has
 * two places: of its call, and of its definition, where its steps are.
 */
const spansOf = (fiber: AnyFiber): string => {
  const names: Array<string> = []
  const innermost = fiber.cache.stackFrame
  for (let frame = innermost; frame !== undefined; frame = frame.parent) {
    const isDefinition = frame.name.endsWith(definition)
    const at = isDefinition || frame === innermost ? placeIn(frame.stack()) : undefined
    const name = isDefinition && at !== undefined ? frame.name.slice(0, -definition.length) : frame.name
    names.unshift(at === undefined ? name : `${name} (${isDefinition ? "defined at " : ""}${at})`)
  }
  return names.length === 0 ? "" : ` in ${names.join(" > ")}`
}

const placeIn = (stack: string | undefined): string | undefined => stack?.trim().replace(/^at /, "")
