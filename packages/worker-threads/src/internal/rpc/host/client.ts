/**
 * The host's end of Effect's RPC: an RpcClient's protocol whose requests are the tasks of a pool.
 *
 * An RpcClient interrupts the fiber that sends a request, and waits for that fiber before it goes on. The fiber
 * therefore stands for the whole call here, and ends after the call's thread.
 *
 * Invariant: a call is in `calls` while its thread may be alive and a message for it can come.
 */
import type { Worker } from "node:worker_threads"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Deadline from "@quiesce/core/Deadline"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import type * as RpcMessage from "effect/rpc/RpcMessage"
import * as RpcWorker from "effect/rpc/RpcWorker"
import type * as Scope from "effect/Scope"
import type { TaskCodec } from "../../wire/wire.ts"
import * as CurrentTask from "../../wire/currentTask.ts"
import * as InitialMessage from "../initialMessage.ts"
import { contractDialect } from "../../wire/contractDialect.ts"
import { CallSpan } from "../../host/callSpan.ts"
import { openContractPool } from "../../host/openContractPool.ts"
import type { Ticket } from "../../host/admissions.ts"
import type { OpenedPool } from "../../host/openPool.ts"
import { RemoteTask } from "../../host/remoteTask.ts"
import type { Started } from "../../host/remoteStream.ts"
import * as RpcCodec from "../codec.ts"
import * as RpcFailure from "./failure.ts"
import { defaultEscalation } from "../../host/defaultEscalation.ts"
import type { Options } from "../../host/poolOptions.ts"
import type * as WorkerError from "../../../WorkerError.ts"

type Protocol = RpcClient.Protocol["Service"]

export const layer = (options: Options): Layer.Layer<RpcClient.Protocol, WorkerError.WorkerError> =>
  Layer.effect(RpcClient.Protocol, make(options))

const make = (options: Options): Effect.Effect<Protocol, WorkerError.WorkerError, Scope.Scope> =>
  Effect.gen(function* () {
    const initial = yield* Effect.serviceOption(RpcWorker.InitialMessage)
    const hooks = yield* Effect.serviceOption(RpcClient.ConnectionHooks)
    const opened = yield* openContractPool({ ...options, spawn: (each) => prepared(options.spawn(each), initial) }, [])
    const calls = new Calls(opened, options.escalation ?? defaultEscalation)
    const protocol = yield* RpcClient.Protocol.make((write) =>
      Effect.succeed({
        send: (clientId, message, transfers) => calls.send(clientId, message, transfers ?? [], write),
        supportsAck: true,
        supportsTransferables: true,
        codecFor: RpcCodec.codecFor
      })
    )
    if (Option.isSome(hooks)) yield* hooks.value.onConnect
    return {
      ...protocol,
      // The protocol ends with its client.
      run: (clientId, f) => Effect.onExit(protocol.run(clientId, f), () => calls.end(clientId))
    }
  })

/** Prepares a new worker: detects a foreign protocol, and sends the initial message. */
const prepared = (worker: Worker, initial: Option.Option<RpcWorker.InitialMessage["Service"]>): Worker => {
  worker.on("message", (message: unknown) => {
    if (!isForeign(message)) return
    worker.emit("error", new Error("it serves Effect's own worker protocol. Provide it with RpcProtocol.layerServer"))
    void worker.terminate()
  })
  if (Option.isSome(initial)) Effect.runFork(InitialMessage.send(worker, initial.value))
  return worker
}

/** Whether a message is the ready message of Effect's own worker protocol. */
const isForeign = (message: unknown): boolean => Array.isArray(message) && message.length === 1 && message[0] === 0

type Write = (clientId: number, response: RpcMessage.FromServerEncoded) => Effect.Effect<void>

type RequestId = string | number

class Calls {
  private readonly opened: OpenedPool
  private readonly escalation: NonNullable<Options["escalation"]>
  private readonly calls = new Map<number, Map<RequestId, Started>>()
  private readonly codecs = new Map<string, TaskCodec>()
  /** The ended threads whose failed cleanup is logged. */
  private readonly logged = new WeakSet<Started["thread"]>()

  constructor(opened: OpenedPool, escalation: NonNullable<Options["escalation"]>) {
    this.opened = opened
    this.escalation = escalation
  }

  send(
    clientId: number,
    message: RpcMessage.FromClientEncoded,
    transfers: ReadonlyArray<unknown>,
    write: Write
  ): Effect.Effect<void, RpcClientError> {
    switch (message._tag) {
      case "Request":
        return this.call(clientId, message, transfers, write)
      case "Ack":
        return Effect.sync(() => this.calls.get(clientId)?.get(message.requestId)?.task.pull(1))
      case "Interrupt":
        return this.interrupt(clientId, message.requestId)
      case "Eof":
      case "Ping":
        return Effect.void
    }
  }

  /** Ends the calls of a client whose scope has closed, and waits for them. */
  end(clientId: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const calls = [...(this.calls.get(clientId)?.values() ?? [])]
      this.calls.delete(clientId)
      return Effect.forEach(calls, ({ thread }) => this.endThread(thread, scopeClosed), {
        concurrency: "unbounded",
        discard: true
      })
    })
  }

  /** Ends a call whose sending fiber was not interrupted. */
  private interrupt(clientId: number, id: RequestId): Effect.Effect<void> {
    return Effect.suspend(() => {
      const call = this.calls.get(clientId)?.get(id)
      return call === undefined ? Effect.void : this.endThread(call.thread, CancelReason.interrupted())
    })
  }

  private call(
    clientId: number,
    { discard: _, ...request }: RpcMessage.RequestEncoded,
    transfers: ReadonlyArray<unknown>,
    write: Write
  ): Effect.Effect<void, RpcClientError> {
    const requestId = request.id
    const onChunk = (values: ReadonlyArray<unknown>): Effect.Effect<void> =>
      // A chunk of the RpcServer is never empty.
      write(clientId, { _tag: "Chunk", requestId, values: values as RpcMessage.ResponseChunkEncoded["values"] })
    const starting = this.reporting(this.start(request, transfers, onChunk), ({ thread }) => thread)
    const ended = Effect.scoped(
      Effect.flatMap(starting, (started) => {
        this.enter(clientId, requestId, started)
        return Effect.ensuring(
          Effect.orDie(Thread.await(started.thread)),
          Effect.sync(() => this.leave(clientId, requestId, started))
        )
      })
    )
    return Effect.matchCauseEffect(ended, {
      onFailure: (cause) => Effect.failCause(RpcFailure.fromCause(cause)),
      onSuccess: (exit) =>
        Exit.isSuccess(exit)
          ? // The codec has decoded it.
            write(clientId, { _tag: "Exit", requestId, exit: exit.value as RpcCodec.EncodedReply })
          : Effect.failCause(RpcFailure.fromCause(exit.cause))
    })
  }

  /**
   * Ends a thread and waits for its end, without limit. Effect itself waits for an interrupted call for one second at
   * most.
   */
  private endThread(thread: Started["thread"], reason: CancelReason.CancelReason): Effect.Effect<void> {
    const ending = Effect.acquireRelease(Effect.succeed(thread), () => Thread.shutdown(thread, { reason }))
    return Effect.uninterruptible(Effect.asVoid(Effect.scoped(this.reporting(ending, () => thread))))
  }

  /**
   * Logs the failure of a thread's cleanup if the current scope ends the thread, because an RpcClient keeps nothing of an
   * interrupted call. A closed client and its calls may end the same thread.
   */
  private reporting<A, E, R>(
    start: Effect.Effect<A, E, R>,
    threadOf: (started: A) => Started["thread"]
  ): Effect.Effect<A, E, R | Scope.Scope> {
    let thread: Started["thread"] | undefined
    const threadFrom = (started: A): Started["thread"] => (thread = threadOf(started))
    return ThreadAdapter.reportingCleanup(start, threadFrom, (failure) => {
      if (thread === undefined || this.logged.has(thread)) return Effect.void
      this.logged.add(thread)
      return Effect.logError("A finalizer failed after a call was interrupted", failure)
    })
  }

  private start(
    request: RpcMessage.RequestEncoded,
    transfers: ReadonlyArray<unknown>,
    onChunk: (values: ReadonlyArray<unknown>) => Effect.Effect<void>
  ): Effect.Effect<Started, unknown, Scope.Scope> {
    const { dispatcher, hostLeases, settings } = this.opened
    let task: RemoteTask | undefined
    let ticket: Ticket | undefined
    const spawned = ThreadAdapter.spawn<unknown, unknown, never, never>(
      (thread) =>
        Effect.withFiber((fiber) => {
          const codec = this.codecOf(request.tag)
          const deadline = fiber.getRef(Deadline.Current)
          const parentTask = fiber.getRef(CurrentTask.Current)
          task = new RemoteTask({
            context: Context.empty(),
            thread,
            codec,
            payload: request,
            transfers,
            deadline,
            settings,
            dialect: contractDialect,
            hostLeases,
            parentTask,
            events: dispatcher.events,
            span: CallSpan.around(fiber)
          })
          task.expectFirstChunk()
          // One chunk is under way at a time, so none can overtake another.
          task.onChunk = (values) => void Effect.runForkWith(fiber.context)(onChunk(values))
          dispatcher.submit(task, ticket)
          return Effect.succeed(task)
        }),
      { escalation: this.escalation, name: request.tag }
    )
    return dispatcher.admit({ name: request.tag, task: request.tag, priority: 0 }, (given) => {
      ticket = given
      return Effect.map(spawned, (thread) => ({ thread, task: task! }))
    })
  }

  private codecOf(tag: string): TaskCodec {
    let codec = this.codecs.get(tag)
    if (codec === undefined) this.codecs.set(tag, (codec = RpcCodec.make(tag)))
    return codec
  }

  private enter(clientId: number, id: RequestId, started: Started): void {
    let calls = this.calls.get(clientId)
    if (calls === undefined) this.calls.set(clientId, (calls = new Map()))
    calls.set(id, started)
  }

  private leave(clientId: number, id: RequestId, started: Started): void {
    const calls = this.calls.get(clientId)
    // A middleware may have sent the same request again.
    if (calls?.get(id) !== started) return
    calls.delete(id)
    if (calls.size === 0) this.calls.delete(clientId)
  }
}

const scopeClosed = CancelReason.parentEnded("RpcClient", { message: "The scope of the client has closed" })
