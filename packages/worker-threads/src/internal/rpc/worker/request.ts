/**
 * One request in a worker: a thread around the fiber in which Effect's RpcServer runs the handler.
 *
 * For the RpcServer each request is a client of its own, as over HTTP, so that a defect ends only that request.
 *
 * Invariants:
 * 1. The thread ends after the fiber that has sent the reply. By then all resources of the handler are released.
 * 2. Nothing is written for a request after its `Eof`.
 */
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as RpcMessage from "effect/rpc/RpcMessage"
import type { Launch } from "./launch.ts"
import type { EncodedReply, Reply } from "../codec.ts"
import type { Outlet } from "../../worker/workerTask.ts"

/** Passes a message to the RpcServer. */
export type Write = (clientId: number, message: RpcMessage.FromClientEncoded) => Effect.Effect<void>

export class RpcRequest {
  private readonly request: RpcMessage.RequestEncoded
  private readonly outlet: Outlet
  private readonly write: Write
  /** The fiber of the thread. */
  private body: Fiber.Fiber<unknown, unknown> | undefined = undefined
  /** Undefined if the fiber of a handler can't be found. The handler then begins as Effect does it. */
  private readonly launch: Launch | undefined
  /** Whether the request has been passed on, so that a reply will come. */
  private isHandedOver = false
  private reply: Reply | undefined = undefined
  /** The fiber that has sent the reply. Its exit has the failures of the request's scope, which closes after the reply. */
  private sender: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private readonly ended: Deferred.Deferred<void> = Deferred.makeUnsafe()

  constructor(request: RpcMessage.RequestEncoded, outlet: Outlet, write: Write, launch: Launch | undefined) {
    this.launch = launch
    this.request = request
    this.outlet = outlet
    this.write = write
  }

  /**
   * Runs the handler and gives the reply. An interrupt is forwarded to the handler with its reason, and waits for the
   * handler. The failures of the handler's cleanup are then defects beside the interrupt, because nobody gets the
   * reply.
   */
  get handled(): Effect.Effect<Reply, unknown> {
    const { id } = this.outlet
    return Effect.withFiber((body) => {
      this.body = body
      const handOver = this.write(id, this.request)
      return (this.launch?.run(handOver) ?? handOver).pipe(
        Effect.andThen(this.watched),
        Effect.onInterrupt(() => Effect.andThen(this.cancel, this.failCleanup)),
        Effect.ensuring(Effect.exit(this.write(id, RpcMessage.constEof))),
        Effect.flatMap(() => this.given)
      )
    })
  }

  private get watched(): Effect.Effect<void> {
    return Effect.flatMap(Thread.current, (thread) => {
      this.isHandedOver = true
      const handler = this.launch?.latest
      if (handler !== undefined) ThreadAdapter.extendTo(thread, handler)
      return Deferred.await(this.ended)
    })
  }

  /**
   * The handler's own fiber is already interrupted. A handler may go on in another fiber behind a Deferred, which is
   * interrupted here.
   */
  private get cancel(): Effect.Effect<void> {
    return Effect.andThen(this.handlerInterrupted, this.requestCanceled)
  }

  /**
   * A handler that waits for its first turn is unknown to the RpcServer, which would reply for it at once. Such a
   * handler ends here. The thread's reason reaches the handler after the body, in the same step, so this step comes
   * later.
   */
  private get handlerInterrupted(): Effect.Effect<void> {
    return Effect.map(Effect.yieldNow, () => {
      if (this.isHandedOver && this.reply === undefined) this.launch?.latest?.interruptUnsafe(this.body?.id)
    })
  }

  private get requestCanceled(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const ended = Deferred.await(this.ended)
      if (this.reply !== undefined) return ended
      const interrupt: RpcMessage.InterruptEncoded = { _tag: "Interrupt", requestId: this.request.id }
      const requested = Effect.exit(this.write(this.outlet.id, interrupt))
      if (this.isHandedOver) return Effect.andThen(requested, ended)
      // The request was interrupted while it was passed on. A reply comes only if a handler has begun.
      const handler = this.launch?.latest
      return Effect.andThen(handler === undefined ? Effect.void : Fiber.interrupt(handler), requested)
    })
  }

  /** Fails with the failures of a handler without a receiver of its reply. */
  private get failCleanup(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const failures = this.failuresBeyond(0)
      return failures.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons(failures))
    })
  }

  /** The reply, after the failures that it does not have are logged. */
  private get given(): Effect.Effect<Reply> {
    // Only a reply completes `ended`.
    const reply = this.reply!
    const failures = this.failuresBeyond(reply.exit._tag === "Success" ? 0 : reply.exit.cause.length)
    if (failures.length === 0) return Effect.succeed(reply)
    return Effect.as(
      Effect.logError("A finalizer failed after the reply to a call", Cause.fromReasons(failures)),
      reply
    )
  }

  /** The failures of the handler, as defects, but for the first reasons of the fiber that has sent the reply. */
  private failuresBeyond(sent: number): ReadonlyArray<Cause.Die> {
    const { launch, sender } = this
    // A handler that answers by a Deferred ends, with its scope, before another fiber sends the reply.
    const fibers = new Set([launch?.latest, sender])
    return [...fibers].flatMap((fiber) => {
      const exit = fiber?.pollUnsafe()
      if (exit === undefined || Exit.isSuccess(exit)) return []
      return exit.cause.reasons.slice(fiber === sender ? sent : 0).flatMap(toDefect)
    })
  }

  /** Receives a response of the RpcServer, in the sending fiber. */
  respond(response: RpcMessage.FromServerEncoded, transfers: ReadonlyArray<unknown>): Effect.Effect<void> {
    switch (response._tag) {
      case "Chunk":
        return Effect.suspend(() => {
          this.outlet.chunk(response.values, transfers)
          return this.outlet.credit
        })
      case "Exit":
        return this.settle({ exit: response.exit, transfers })
      case "Defect":
        return this.settle({ exit: died(response.defect), transfers: [] })
      // An RpcServer does not send these for a request.
      case "ClientProtocolError":
      case "Pong":
      case "Request":
        return Effect.void
    }
  }

  private settle(reply: Reply): Effect.Effect<void> {
    return Effect.withFiber((sender) => {
      this.reply ??= reply
      this.sender ??= sender
      if (sender === this.body) Deferred.doneUnsafe(this.ended, Effect.void)
      else sender.addObserver(() => Deferred.doneUnsafe(this.ended, Effect.void))
      return Effect.void
    })
  }
}

const toDefect = (reason: Cause.Reason<unknown>): ReadonlyArray<Cause.Die> => {
  if (Cause.isInterruptReason(reason)) return []
  return [Cause.isFailReason(reason) ? Cause.makeDieReason(reason.error) : reason]
}

const died = (defect: unknown): EncodedReply => ({ _tag: "Failure", cause: [{ _tag: "Die", defect }] })
