/**
 * The span of a call to a worker. Its event `started` says how long the call has waited for the worker. Undefined for a
 * caller without a tracer.
 */
import { isTraced, openSpan, type OpenSpan } from "@quiesce/core/internal"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import { isTrace, type Trace } from "../wire/trace.ts"

export class CallSpan {
  private readonly opened: OpenSpan
  private readonly since: bigint
  private readonly isOwn: boolean
  private readonly tracer: Tracer.Tracer

  private constructor(opened: OpenSpan, isOwn: boolean, tracer: Tracer.Tracer) {
    this.opened = opened
    this.tracer = tracer
    this.isOwn = isOwn
    this.since = opened.now()
  }

  /** Begins the span of a call. */
  static of(fiber: Fiber.Fiber<unknown, unknown>, task: string): CallSpan | undefined {
    const { tracer } = fiber.cache
    if (!isTraced(fiber) || tracer === undefined) return undefined
    return new CallSpan(openSpan(fiber, `WorkerPool.${task}`, "client", { task }), true, tracer)
  }

  /** The current span of a caller that makes and ends its own, such as Effect's RpcClient. */
  static around(fiber: Fiber.Fiber<unknown, unknown>): CallSpan | undefined {
    const { span, tracer } = fiber.cache
    if (!isTraced(fiber) || tracer === undefined || span?._tag !== "Span") return undefined
    const clock = fiber.getRef(Clock.Clock)
    return new CallSpan({ span, now: () => clock.currentTimeNanosUnsafe(), end: () => {} }, false, tracer)
  }

  /** A worker takes the call. */
  started(): void {
    const now = this.opened.now()
    this.opened.span.event("started", now, { queuedMillis: Number(now - this.since) / 1e6 })
  }

  ended(exit: Exit.Exit<unknown, unknown>): void {
    this.opened.end(exit)
  }

  /** The services of effects whose spans belong below this span. */
  get context(): Context.Context<never> {
    return Context.add(Context.make(Tracer.Tracer, this.tracer), Tracer.ParentSpan, this.opened.span)
  }

  /**
   * The place of the span in its trace, for the worker; null if a tracer has given other than short texts, or if the
   * caller sends the place by itself.
   */
  get trace(): Trace | null {
    if (!this.isOwn) return null
    const { sampled, spanId, traceId } = this.opened.span
    const trace = { traceId, spanId, sampled }
    return isTrace(trace) ? trace : null
  }
}
