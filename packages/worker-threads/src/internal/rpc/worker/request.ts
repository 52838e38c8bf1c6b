/**
 * One request in a worker: the thread that it is, around the fiber in which Effect's RpcServer runs the handler.
 *
 * Each request is a client of its own for the RpcServer, as over HTTP, so that a defect ends just that request.
 *
 * Invariants:
 * 1. The thread ends after the fiber that has sent the reply: what the handler acquired is released by then.
 * 2. Nothing is written for a request after its `Eof`.
 */
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/ThreadAdapter"
import type { ThreadError } from "@quiesce/core/ThreadError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as RpcMessage from "effect/rpc/RpcMessage"
import { Launch } from "./launch.ts"
import type { EncodedReply, Reply } from "../codec.ts"
import type { Outlet } from "../../worker/workerTask.ts"

/** Hands a message to the RpcServer. */
export type Write = (clientId: number, message: RpcMessage.FromClientEncoded) => Effect.Effect<void>

export class RpcRequest {
  private readonly request: RpcMessage.RequestEncoded
  private readonly outlet: Outlet
  private readonly write: Write
  /** The fiber of the thread. */
  private body: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private readonly launch: Launch = new Launch()
  /** Whether the request has been handed over, so that a reply comes. */
  private isHandedOver = false
  private reply: Reply | undefined = undefined
  private readonly ended: Deferred.Deferred<void> = Deferred.makeUnsafe()

  constructor(request: RpcMessage.RequestEncoded, outlet: Outlet, write: Write) {
    this.request = request
    this.outlet = outlet
    this.write = write
  }

  /** Has it handled, and gives the reply. Interrupted, it waits for the handler, which is told why. */
  get handled(): Effect.Effect<Reply, unknown> {
    const { id } = this.outlet
    return Effect.withFiber((body) => {
      this.body = body
      return this.launch.run(this.write(id, this.request)).pipe(
        Effect.andThen(this.watched),
        Effect.onInterrupt(() => this.cancel),
        Effect.ensuring(Effect.exit(this.write(id, RpcMessage.constEof))),
        // Only a reply completes `ended`.
        Effect.map(() => this.reply!)
      )
    })
  }

  private get watched(): Effect.Effect<void, ThreadError> {
    return Effect.flatMap(Thread.current, (thread) => {
      this.isHandedOver = true
      if (this.launch.latest !== undefined) ThreadAdapter.extendTo(thread, this.launch.latest)
      return Deferred.await(this.ended)
    })
  }

  /** The handler's fiber has been told already; one that goes on in another, for a Deferred, hears of it here. */
  private get cancel(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const ended = Deferred.await(this.ended)
      if (this.reply !== undefined) return ended
      const interrupt: RpcMessage.InterruptEncoded = { _tag: "Interrupt", requestId: this.request.id }
      const requested = Effect.exit(this.write(this.outlet.id, interrupt))
      if (this.isHandedOver) return Effect.andThen(requested, ended)
      // While it was handed over: there is a reply to come only where a handler has begun.
      const { latest } = this.launch
      return Effect.andThen(latest === undefined ? Effect.void : Fiber.interrupt(latest), requested)
    })
  }

  /** What the RpcServer sends, from the fiber that it sends it in. */
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
      // What an RpcServer does not send for a request.
      case "ClientProtocolError":
      case "Pong":
      case "Request":
        return Effect.void
    }
  }

  private settle(reply: Reply): Effect.Effect<void> {
    return Effect.withFiber((sender) => {
      this.reply ??= reply
      if (sender === this.body) Deferred.doneUnsafe(this.ended, Effect.void)
      else sender.addObserver(() => Deferred.doneUnsafe(this.ended, Effect.void))
      return Effect.void
    })
  }
}

const died = (defect: unknown): EncodedReply => ({ _tag: "Failure", cause: [{ _tag: "Die", defect }] })
