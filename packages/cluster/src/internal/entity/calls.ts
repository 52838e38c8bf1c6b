/**
 * The calls of one client to an entity. Unlike a call of the engine, an interrupted call goes on until the exit of its
 * handler has arrived: the request is interrupted by a message, and the connection of the call is left alone.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ClusterSchema from "effect/cluster/ClusterSchema"
import { CurrentAddress, type Entity } from "effect/cluster/Entity"
import type { EntityAddress } from "effect/cluster/EntityAddress"
import * as Envelope from "effect/cluster/Envelope"
import * as Message from "effect/cluster/Message"
import type * as Reply from "effect/cluster/Reply"
import type { Sharding } from "effect/cluster/Sharding"
import * as Snowflake from "effect/cluster/Snowflake"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Rpc from "effect/rpc/Rpc"
import type { FromClient, FromServer } from "effect/rpc/RpcMessage"
import type { Send } from "./reasons.ts"

type Service = Sharding["Service"]

/** The address of the entity that a call is for. */
export const Target: Context.Service<EntityAddress, EntityAddress> = Context.Service<EntityAddress>(
  "@quiesce/cluster/ClusterEntity/Target"
)

/** A call without an exit. */
interface Call {
  readonly address: EntityAddress
  readonly message: Message.OutgoingRequest<Rpc.Any>
  readonly sending: Fiber.Fiber<void, unknown>
  /** Completes with the exit of the handler, or with the failure to send the call. */
  readonly over: Deferred.Deferred<void>
  lastChunk: Snowflake.Snowflake | undefined
}

/** The pause between two interrupts of a call. The engine may have sent the call to another runner meanwhile. */
const againMillis = 1000

export interface Options {
  readonly sharding: Service
  readonly entity: Entity<string, Rpc.Any>
  readonly sendReason: Send
  /** An interrupted call waits no longer for its handler, in milliseconds. */
  readonly waitMillis: number
}

export class Calls {
  private readonly options: Options
  private readonly calls = new Map<string, Call>()
  write: (message: FromServer<Rpc.Any>) => Effect.Effect<void> = () => Effect.void

  constructor(options: Options) {
    this.options = options
  }

  readonly onMessage = ({
    context,
    message
  }: {
    readonly message: FromClient<Rpc.Any>
    readonly context: Context.Context<never>
  }): Effect.Effect<void, Effect.Error<ReturnType<Service["sendOutgoing"]>>> => {
    switch (message._tag) {
      case "Request":
        return this.request(message, Context.getUnsafe(context, Target))
      case "Ack":
        return this.acknowledge(String(message.requestId))
      case "Interrupt":
        return this.interrupt(String(message.requestId))
      case "Eof":
        return Effect.void
    }
  }

  private request(
    request: Extract<FromClient<Rpc.Any>, { _tag: "Request" }>,
    address: EntityAddress
  ): ReturnType<Service["sendOutgoing"]> {
    return Effect.withFiber((fiber) => {
      const { entity, sharding } = this.options
      const message = outgoing(entity, request, address, fiber.context, (reply) => this.reply(request.id, reply))
      if (request.discard === true) {
        // The caller of a discarded call gets no value, whatever the Schema of the value.
        const exit = Exit.void as Exit.Exit<never>
        const sent: FromServer<Rpc.Any> = { _tag: "Exit", clientId: 0, requestId: request.id, exit }
        return Effect.andThen(
          sharding.sendOutgoing(message, true),
          Effect.suspend(() => this.write(sent))
        )
      }
      const id = String(request.id)
      const over = Deferred.makeUnsafe<void>()
      // An interrupt of the caller does not end the sending, which has the connection for the exit.
      const sending = Effect.runForkWith(fiber.context)(Effect.suspend(() => sharding.sendOutgoing(message, false)))
      this.calls.set(id, { address, message, sending, over, lastChunk: undefined })
      sending.addObserver((exit) => {
        if (Exit.isFailure(exit)) this.over(id)
      })
      return Fiber.join(sending)
    })
  }

  private reply(requestId: FromServerId, reply: Reply.Reply<Rpc.Any>): Effect.Effect<void> {
    if (reply._tag === "Chunk") {
      const call = this.calls.get(String(requestId))
      if (call !== undefined) call.lastChunk = reply.id
      return this.write({ _tag: "Chunk", clientId: 0, requestId, values: reply.values })
    }
    this.over(String(requestId))
    return this.write({ _tag: "Exit", clientId: 0, requestId, exit: reply.exit })
  }

  private over(id: string): void {
    const call = this.calls.get(id)
    if (call === undefined) return
    this.calls.delete(id)
    Deferred.doneUnsafe(call.over, Exit.void)
  }

  private acknowledge(id: string): ReturnType<Service["sendOutgoing"]> {
    const call = this.calls.get(id)
    if (call?.lastChunk === undefined) return Effect.void
    const { address, lastChunk: replyId, message } = call
    const requestId = message.envelope.requestId
    return Effect.flatMap(this.options.sharding.getSnowflake, (own) =>
      this.send(call, new Envelope.AckChunk({ id: own, address, requestId, replyId }))
    )
  }

  private send(call: Call, envelope: Envelope.AckChunk | Envelope.Interrupt): ReturnType<Service["sendOutgoing"]> {
    // Every Rpc has its schemas; the type of the group only forgets them.
    const rpc = call.message.rpc as unknown as Rpc.AnyWithProps
    return this.options.sharding.sendOutgoing(new Message.OutgoingEnvelope({ envelope, rpc }), false)
  }

  private interrupt(id: string): Effect.Effect<void> {
    const call = this.calls.get(id)
    if (call === undefined || ClusterSchema.isUninterruptibleForClient(call.message.annotations)) return Effect.void
    const isPersisted = Context.get(call.message.annotations, ClusterSchema.Persisted)
    const reason = Option.getOrElse(CancelReason.fromCause(Cause.interrupt()), () => CancelReason.interrupted())
    return Effect.flatMap(this.isTransient(call), (isTransient) => {
      // The engine runs a stored call again after a move of its caller.
      if (isPersisted && isTransient) return Effect.sync(() => this.forget(id, call))
      return this.awaitHandler(id, call, reason)
      // The engine's client interrupts this wait after one second, and then returns when the wait has ended.
    }).pipe(Effect.uninterruptible)
  }

  private awaitHandler(id: string, call: Call, reason: CancelReason.CancelReason): Effect.Effect<void> {
    const { sendReason, waitMillis } = this.options
    // The request to a frozen runner may wait for long, so the caller does not wait for the request.
    return Effect.flatMap(
      Effect.forkDetach(Effect.andThen(sendReason(call.address.entityId, id, reason), this.askAgain(call))),
      (asking) =>
        Deferred.await(call.over).pipe(
          Effect.timeoutOption(waitMillis),
          Effect.ensuring(Effect.sync(() => asking.interruptUnsafe())),
          Effect.flatMap((ended) => (Option.isSome(ended) ? Effect.void : this.giveUp(id, call)))
        )
    )
  }

  /** Whether the caller is interrupted only because it moves to another runner. */
  private isTransient({ message }: Call): Effect.Effect<boolean> {
    const { sharding } = this.options
    const caller = Context.getOrUndefined(message.context, CurrentAddress)
    if (caller !== undefined && !sharding.hasShardId(caller.shardId)) return Effect.succeed(true)
    return sharding.isShutdown
  }

  /** Interrupts a call every second. */
  private askAgain(call: Call): Effect.Effect<never> {
    const requestId = call.message.envelope.requestId
    const ask = Effect.flatMap(this.options.sharding.getSnowflake, (own) =>
      this.send(call, new Envelope.Interrupt({ id: own, address: call.address, requestId }))
    )
    // An interrupt that can't be delivered is retried by the engine without an end.
    return Effect.andThen(Effect.ignore(ask), Effect.never).pipe(Effect.timeoutOption(againMillis), Effect.forever)
  }

  private giveUp(id: string, call: Call): Effect.Effect<void> {
    this.forget(id, call)
    const { entityId, entityType } = call.address
    return Effect.logWarning(
      `A call of the entity ${entityType} "${entityId}" was interrupted ${this.options.waitMillis} ms ago, and its runner has not said that the handler has ended. The caller goes on.`
    )
  }

  private forget(id: string, { sending }: Call): void {
    this.over(id)
    sending.interruptUnsafe()
  }
}

type FromServerId = Extract<FromServer<Rpc.Any>, { _tag: "Exit" }>["requestId"]

/** The request as the engine sends it. */
const outgoing = (
  entity: Entity<string, Rpc.Any>,
  request: Extract<FromClient<Rpc.Any>, { _tag: "Request" }>,
  address: EntityAddress,
  context: Context.Context<never>,
  respond: (reply: Reply.Reply<Rpc.Any>) => Effect.Effect<void>
): Message.OutgoingRequest<Rpc.Any> => {
  const rpc = entity.protocol.requests.get(request.tag)!
  const { annotations } = rpc as unknown as Rpc.AnyWithProps
  const { headers, payload, sampled, spanId, tag, traceId } = request
  const envelope = Envelope.makeRequest<Rpc.Any>({
    requestId: Snowflake.Snowflake(request.id),
    address,
    tag,
    payload,
    headers,
    traceId,
    spanId,
    sampled
  })
  return new Message.OutgoingRequest<Rpc.Any>({
    envelope,
    lastReceivedReply: Option.none(),
    rpc,
    context: context,
    respond,
    annotations: Context.get(annotations, ClusterSchema.Dynamic)(
      annotations,
      envelope as unknown as Envelope.Request<Rpc.AnyWithProps>
    )
  })
}
