/**
 * Spans of threads, of leases and of calls to workers. They are made only if the fiber's context has a tracer. Without a
 * tracer, a thread and a lease cost one comparison more.
 *
 * `Effect.makeSpan` would bring Effect's own tracer into each bundle.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as References from "effect/References"
import type * as Tracer from "effect/Tracer"
import { isEffect } from "./foreignValue.ts"
import { onlyWaits, type ThreadNode } from "./threadNode.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** The key of `Tracer.ParentSpan`, which a test compares. */
export const parentSpanKey = "effect/Tracer/ParentSpan"

/** Whether spans of the fiber reach a tracer. */
export const isTraced = ({ cache }: AnyFiber): boolean => cache.tracer !== undefined && cache.tracerEnabled

/** The span of the threads below a thread. Without one, a thread's span is `Thread.` with the name of the thread. */
export interface ThreadSpan {
  /** The parent of the threads. */
  readonly below: object
  /** Undefined for threads that need no span, because other code makes one. */
  readonly prefix: string | undefined
  readonly kind: Tracer.SpanKind
}

export const CurrentThreadSpan: Context.Reference<ThreadSpan | undefined> = /* @__PURE__ */ Context.Reference<
  ThreadSpan | undefined
>("@quiesce/core/Thread/Span", { defaultValue: () => undefined })

/** A span that has begun, and the way to end it. */
export interface OpenSpan {
  readonly span: Tracer.Span
  readonly now: () => bigint
  readonly end: (exit: Exit.Exit<unknown, unknown>) => void
}

/** Begins a span below the current span of a traced fiber. */
export const open = (
  fiber: AnyFiber,
  name: string,
  kind: Tracer.SpanKind,
  attributes: Readonly<Record<string, unknown>>
): OpenSpan => {
  const clock = fiber.getRef(Clock.Clock)
  const now = (): bigint => clock.currentTimeNanosUnsafe()
  const parent = fiber.cache.span
  const span = fiber.cache.tracer!.span({
    name,
    parent: Option.fromUndefinedOr(parent),
    annotations: Context.empty(),
    links: [...fiber.getRef(References.TracerSpanLinks)],
    startTime: now(),
    kind,
    root: false,
    sampled: parent?.sampled ?? true
  })
  const all = { ...fiber.getRef(References.TracerSpanAnnotations), ...attributes }
  for (const [key, value] of Object.entries(all)) span.attribute(key, value)
  return { span, now, end: (exit) => span.end(now(), exit) }
}

const within = <R>(context: Context.Context<R>, { span }: OpenSpan): Context.Context<R> =>
  Context.addUnsafe(context, parentSpanKey, span)

/** Runs the body of a thread in a span that lasts until the thread has ended. */
export const inThreadSpan = <A, E>(
  node: ThreadNode<A, E>,
  fiber: AnyFiber,
  body: Effect.Effect<A, E>
): Effect.Effect<A, E> => {
  const given = fiber.getRef(CurrentThreadSpan)
  const { kind, prefix } = given !== undefined && given.below === node.parentNode ? given : usual
  if (prefix === undefined) return body
  const name = `${prefix}.${node.label ?? "unnamed"}`
  const opened = open(fiber, name, kind, { "thread.id": node.id, "thread.name": node.name })
  node.onSettledFirst((exit) => {
    opened.end(exit)
    return onlyWaits
  })
  fiber.setContext(within(fiber.context, opened))
  return body
}

const usual: Omit<ThreadSpan, "below"> = { prefix: "Thread", kind: "internal" }

interface LeaseParts<A, E, R, Released> {
  readonly name: string
  readonly acquire: Effect.Effect<A, E, R>
  readonly release: (resource: A, exit: Exit.Exit<unknown, unknown>) => Released
}

/** A lease with a span around its acquire and a span around its release. */
export const tracedLease = <A, E, R, Released>(
  lease: LeaseParts<A, E, R, Released>
): LeaseParts<A, E, R, Released> => ({
  name: lease.name,
  acquire: inLeaseSpan("acquire", lease.name, lease.acquire),
  release: (resource, exit) => {
    const released = lease.release(resource, exit)
    // A wrong release is refused later. The span does not change the type of the effect.
    return isEffect(released) ? (inLeaseSpan("release", lease.name, released) as Released) : released
  }
})

/** Runs the acquire or the release of a lease in a span, if the fiber is traced. */
export const inLeaseSpan = <A, E, R>(
  step: "acquire" | "release",
  lease: string,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    if (!isTraced(fiber)) return effect
    const opened = open(fiber, `Lease.${step}.${lease}`, "internal", { lease })
    // The context has more than the effect requires.
    const inside = Effect.updateContext(effect, (context: Context.Context<R>) => within(context, opened))
    return Effect.onExitPrimitive(inside, (exit) => {
      opened.end(exit)
      return undefined
    })
  })
