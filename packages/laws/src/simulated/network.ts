/**
 * The network of a simulated cluster, in place of the engine's sockets. A message is encoded and decoded, and is then a
 * task of the other machine. A connection breaks with the death of a machine, or when a scenario cuts it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Schema from "effect/Schema"
import { EntityNotAssignedToRunner, RunnerUnavailable } from "effect/cluster/ClusterError"
import type * as Envelope from "effect/cluster/Envelope"
import * as Message from "effect/cluster/Message"
import * as Reply from "effect/cluster/Reply"
import type * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as Runners from "effect/cluster/Runners"
import type { Sharding } from "effect/cluster/Sharding"
import type * as Rpc from "effect/rpc/Rpc"
import { Socket } from "./fakes.ts"
import type { Machine } from "./machine.ts"

/** A machine with the engine of its runner. */
export interface Node {
  readonly machine: Machine
  sharding: Sharding["Service"] | undefined
}

/** A request whose reply is awaited. */
interface Pending {
  readonly from: Machine
  readonly to: Node
  readonly fail: () => void
}

/** An event of a socket at its machine. */
const emit = ({ from, socket }: Pick<Connection, "from" | "socket">, event: string, error?: Error): void =>
  from.post(() => {
    if (!socket.isDestroyed) socket.emit(event, error)
  })

const codecFor: Parameters<typeof Message.serialize>[1] = Schema.toCodecJson

/** An idle connection. */
interface Connection {
  readonly from: Machine
  readonly to: Machine
  readonly socket: Socket
}

export class Network {
  private readonly nodes = new Map<string, Node>()
  private readonly pending = new Set<Pending>()
  private readonly connections = new Set<Connection>()

  add(node: Node): void {
    this.nodes.set(node.machine.name, node)
  }

  /** The messages on their way are delivered, and their replies are lost. */
  cut(machine: Machine): void {
    for (const one of this.pending) {
      if (one.to.machine !== machine && one.from !== machine) continue
      this.pending.delete(one)
      one.from.post(one.fail)
    }
    for (const one of this.connections) {
      if (one.to !== machine && one.from !== machine) continue
      this.connections.delete(one)
      emit(one, "close")
    }
  }

  /** Opens an idle connection. The kernel of a frozen machine accepts it. */
  connect(from: Machine, host: string): Socket {
    const socket = new Socket()
    const to = this.nodes.get(host)?.machine
    if (to === undefined || to.state === "dead") {
      emit({ from, socket }, "error", Object.assign(new Error("refused"), { code: "ECONNREFUSED" }))
      emit({ from, socket }, "close")
      return socket
    }
    const connection = { from, to, socket }
    this.connections.add(connection)
    emit(connection, "connect")
    return socket
  }

  /** The engine's service for one machine. */
  runnersOf(from: Machine) {
    return Runners.make({
      codecFor,
      ping: (address) => Effect.asVoid(this.reachable(address)),
      notify: () => Effect.void,
      onRunnerUnavailable: () => Effect.void,
      send: ({ address, message }) => this.send(from, address, message)
    })
  }

  private reachable(address: RunnerAddress.RunnerAddress): Effect.Effect<Required<Node>, RunnerUnavailable> {
    return Effect.suspend(() => {
      const node = this.nodes.get(address.host)
      return node === undefined || node.sharding === undefined || node.machine.state === "dead"
        ? Effect.fail(new RunnerUnavailable({ address }))
        : Effect.succeed(node)
    })
  }

  private send<R extends Rpc.Any>(
    from: Machine,
    address: RunnerAddress.RunnerAddress,
    message: Message.Outgoing<R>
  ): Effect.Effect<void, RunnerUnavailable | EntityNotAssignedToRunner> {
    return Effect.flatMap(this.reachable(address), (to) => {
      if (message._tag === "OutgoingRequest") {
        return Effect.flatMap(Effect.orDie(Message.serializeRequest(message, codecFor)), (request) =>
          this.request(from, to, address, message, request)
        )
      }
      const sent = new Message.IncomingEnvelope({ envelope: message.envelope })
      return Effect.sync(() => deliver(to, sent, () => {}))
    })
  }

  /** Completes when the last reply has arrived. */
  private request<R extends Rpc.Any>(
    from: Machine,
    to: Node,
    address: RunnerAddress.RunnerAddress,
    message: Message.OutgoingRequest<R>,
    request: Envelope.PartialRequest
  ): Effect.Effect<void, RunnerUnavailable | EntityNotAssignedToRunner> {
    return Effect.callback((resume) => {
      const caller = Scope.makeUnsafe()
      const closeThere = (): void => to.machine.post(() => void to.machine.fork(Scope.close(caller, Exit.void)))
      const end = (result: Effect.Effect<void, RunnerUnavailable | EntityNotAssignedToRunner>): void => {
        this.pending.delete(one)
        resume(result)
      }
      const fail = (): void => {
        closeThere()
        end(Effect.fail(new RunnerUnavailable({ address })))
      }
      const one: Pending = { from, to, fail }
      this.pending.add(one)
      const replied = (encoded: Reply.Encoded): void => {
        // The reply of a connection that is gone.
        if (!this.pending.has(one)) return
        from.fork(respond(message, encoded))
        if (encoded._tag === "WithExit") end(Effect.void)
      }
      const refused = (): void => end(Effect.fail(new EntityNotAssignedToRunner({ address: message.envelope.address })))
      deliver(
        to,
        incoming(request, caller, (encoded) => from.post(() => replied(encoded))),
        () => from.post(refused)
      )
      return Effect.sync(() => {
        this.pending.delete(one)
        closeThere()
      })
    })
  }
}

/** Passes a reply to the caller. */
const respond = <R extends Rpc.Any>(
  message: Message.OutgoingRequest<R>,
  encoded: Reply.Encoded
): Effect.Effect<void> => {
  const decoded = Schema.decodeEffect(Reply.Reply(message.rpc, codecFor))(encoded)
  return Effect.flatMap(Effect.orDie(Effect.provideContext(decoded, message.context)), message.respond)
}

/** A request as the runner's engine takes it. */
const incoming = (
  envelope: Envelope.PartialRequest,
  callerScope: Scope.Scope,
  replied: (encoded: Reply.Encoded) => void
): Message.IncomingRequest<Rpc.Any> =>
  new Message.IncomingRequest({
    envelope,
    lastSentReply: Option.none(),
    codecFor,
    callerScope,
    respond: (reply) => Effect.map(Reply.serialize(reply, codecFor), replied)
  })

/** Passes a message to the engine of a runner, which may refuse it. */
const deliver = (
  { machine, sharding }: Node,
  message: Message.IncomingRequest<Rpc.Any> | Message.IncomingEnvelope,
  refused: () => void
): void =>
  machine.post(() => {
    machine.fork(sharding!.send(message)).addObserver((exit) => {
      if (Exit.isFailure(exit)) refused()
    })
  })
