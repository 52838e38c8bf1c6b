/**
 * The end of an HTTP server of Node, in the order that load balancers and clients expect: readiness fails first, then no new
 * connection is taken, and running requests end before their connections do.
 *
 * `server.close` of Node does not suffice. It destroys a connection whose response has ended but is still being written, and
 * it waits for a connection that is kept alive or has sent no request yet.
 *
 * Invariants:
 * 1. A phase is never left backwards: Serving, Leaving, Closed.
 * 2. In phase Closed, a connection without a running request is closed. A response that has begun is written whole, unless
 *    the scope of the drain closes first.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { hasProperty } from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Diagnostics from "node:diagnostics_channel"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { Server as NetServer, type Socket } from "node:net"
import { millisOf, readOr, textOf } from "@quiesce/core/internal"
import { wrongArgument } from "./internal/wrongArgument.ts"
import * as ProcessError from "./ProcessError.ts"

/**
 * How far the end of a server has come. `Serving`: the server is ready. `Leaving`: the server still serves everything, but
 * is not ready any more, and each response closes its connection. `Closed`: the server takes no new connection.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Phase = "Serving" | "Leaving" | "Closed"

/**
 * A look at a server: its phase, its open connections, and the requests without a whole response.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Status {
  readonly phase: Phase
  readonly connections: number
  readonly requests: number
}

/**
 * How a server is drained.
 *
 * - `serveOn`: how long the server serves everything after its readiness has failed. A load balancer needs this time to
 *   notice. Default: no time
 * - `within`: how long the drain then waits for the running requests. Default: no limit
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly serveOn?: Duration.Input | undefined
  readonly within?: Duration.Input | undefined
}

/**
 * The drain of one server.
 *
 * - `isReady`: true until the drain begins. A readiness probe answers with it
 * - `status`: a look at the server
 * - `drain`: ends the server, and gives the status after the wait: no request is left, or `within` is over. Dies with a
 *   `ProcessError` for an unusable time. *Cancellation*: the phase stays, and the requests go on
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface HttpDrain {
  readonly isReady: Effect.Effect<boolean>
  readonly status: Effect.Effect<Status>
  readonly drain: (options?: Options) => Effect.Effect<Status>
}

/**
 * The drain of the program's server as a service.
 *
 * @stability unstable
 * @category services
 * @since 0.1.0
 */
export const HttpDrain: Context.Service<HttpDrain, HttpDrain> =
  /* @__PURE__ */ Context.Service<HttpDrain>("@quiesce/process/HttpDrain")

/**
 * Watches a server of `node:http` or `node:https`, which may be of any framework. When the scope closes, the server stops
 * listening and all its connections are closed. Call it before the first connection.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (server: Server): Effect.Effect<HttpDrain, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.suspend(() =>
        isServer(server)
          ? Effect.succeed(new Connections(server))
          : Effect.die(wrongArgument("HttpDrain's server", server, "a server of Node; give the result of createServer"))
      ),
      (connections) => Effect.sync(() => connections.end())
    ),
    (connections) => ({
      isReady: Effect.sync(() => connections.status().phase === "Serving"),
      status: Effect.sync(() => connections.status()),
      drain: (options) => drain(connections, options)
    })
  )

/**
 * The drain as a service, for Effect's HTTP server on the same server of Node. The order of the end is: the requests that
 * still run are interrupted and answered, their connections are closed, and Effect's server ends.
 *
 * ```ts
 * import { createServer } from "node:http"
 * import { HttpDrain } from "@quiesce/process"
 * import { Effect } from "effect"
 * import { HttpServerResponse } from "effect/http"
 *
 * const server = createServer()
 * export const DrainLive = HttpDrain.layer(server)
 *
 * export const ready = Effect.gen(function* () {
 *   const { isReady } = yield* HttpDrain.HttpDrain
 *   return HttpServerResponse.empty({ status: (yield* isReady) ? 200 : 503 })
 * })
 * ```
 *
 * @stability unstable
 * @category layers
 * @since 0.1.0
 */
export const layer = (server: Server): Layer.Layer<HttpDrain, never, HttpServer.HttpServer> =>
  // A layer that needs the server is released before the server, which waits for its connections.
  Layer.effect(HttpDrain, Effect.andThen(HttpServer.HttpServer, make(server)))

/** Servers of other implementations are accepted, so the members count and not the class. */
const isServer = (u: unknown): boolean =>
  readOr(() => hasProperty(u, "prependListener") && hasProperty(u, "close"), false)

const drain = (connections: Connections, options: Options | undefined): Effect.Effect<Status> =>
  Effect.gen(function* () {
    const serveOn = yield* millis("serveOn", options?.serveOn ?? 0)
    const within = yield* millis("within", options?.within ?? Infinity)
    connections.leave()
    if (serveOn > 0) yield* Effect.sleep(serveOn)
    connections.close()
    yield* within === Infinity ? connections.gone : Effect.timeoutOption(connections.gone, within)
    return connections.status()
  })

const millis = (option: string, input: Duration.Input): Effect.Effect<number> =>
  Result.match(millisOf(input), {
    onSuccess: Effect.succeed,
    onFailure: (problem) =>
      Effect.die(
        ProcessError.make({
          _tag: "InvalidOption",
          option: `HttpDrain's ${option}`,
          problem: `it is ${textOf(input)}: ${problem}. Give a time such as "10 seconds"`
        })
      )
  })

/** The channel on which Node publishes each HTTP request before it calls a listener of the server. */
const requestStart = "http.server.request.start"

interface Started {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly server: unknown
}

/** The connections of a server, each with its responses that are not written whole. */
class Connections {
  readonly gone: Effect.Effect<void>
  private readonly server: Server
  private phase: Phase = "Serving"
  private readonly responses = new Map<Socket, Set<ServerResponse>>()
  /** The connections whose handshake of TLS has not ended, by their address. */
  private readonly shaking = new Map<string, Socket>()
  private readonly waiters = new Set<() => void>()

  constructor(server: Server) {
    this.server = server
    this.gone = Effect.callback<void>((resume) => {
      const notify = (): void => resume(Effect.void)
      if (this.isEmpty) return notify()
      this.waiters.add(notify)
      return Effect.sync(() => this.waiters.delete(notify))
    })
    // The requests of a server with TLS come on the inner sockets.
    if ("setSecureContext" in server) {
      server.prependListener("connection", this.accepted)
      server.prependListener("secureConnection", this.connected)
    } else server.prependListener("connection", this.connected)
    server.prependListener("request", this.requested)
    // A listener for `checkContinue` or `checkExpectation` would replace Node's own answer to a request with `Expect`.
    Diagnostics.subscribe(requestStart, this.published)
  }

  status(): Status {
    let requests = 0
    for (const responses of this.responses.values()) requests += responses.size
    return { phase: this.phase, connections: this.responses.size + this.shaking.size, requests }
  }

  /** Fails the readiness. Each response asks its client for a new connection, which goes to another server. */
  leave(): void {
    if (this.phase !== "Serving") return
    this.phase = "Leaving"
    for (const responses of this.responses.values()) closeAfterLast(responses)
  }

  /** Stops listening, and closes the connections without a request. */
  close(): void {
    this.leave()
    if (this.phase === "Closed") return
    this.phase = "Closed"
    // The method of HTTP servers also destroys connections that are still being written.
    NetServer.prototype.close.call(this.server)
    for (const [socket, responses] of this.responses) if (responses.size === 0) socket.destroySoon()
    for (const socket of this.shaking.values()) socket.destroy()
  }

  /** Closes everything. Responses that have ended are written. */
  end(): void {
    this.close()
    for (const socket of this.responses.keys()) socket.destroySoon()
    this.server.close()
    Diagnostics.unsubscribe(requestStart, this.published)
  }

  /** The channel has the requests of all servers of the process. */
  private readonly published = (message: unknown): void => {
    // Node documents the form of the messages.
    const { request, response, server } = message as Started
    if (server === this.server) this.requested(request, response)
  }

  private get isEmpty(): boolean {
    return this.responses.size === 0 && this.shaking.size === 0
  }

  private notifyIfEmpty(): void {
    if (!this.isEmpty) return
    for (const notify of this.waiters) notify()
    this.waiters.clear()
  }

  /** A connection under TLS is accepted first, and connected after its handshake. */
  private readonly accepted = (socket: Socket): void => {
    const address = addressOf(socket)
    if (address === undefined) return
    this.shaking.set(address, socket)
    socket.once("close", () => {
      if (this.shaking.get(address) === socket) this.shaking.delete(address)
      this.notifyIfEmpty()
    })
    if (this.phase === "Closed") socket.destroy()
  }

  private readonly connected = (socket: Socket): void => {
    const address = addressOf(socket)
    this.responses.set(socket, new Set())
    if (address !== undefined) this.shaking.delete(address)
    socket.once("close", () => {
      this.responses.delete(socket)
      this.notifyIfEmpty()
    })
    // It was accepted just before the server stopped listening.
    if (this.phase === "Closed") socket.destroySoon()
  }

  private readonly requested = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    const responses = this.responses.get(socket)
    // The channel and the event of the server show the same response.
    if (responses === undefined || responses.has(response)) return
    responses.add(response)
    if (this.phase !== "Serving") closeAfterLast(responses)
    response.once("close", () => {
      responses.delete(response)
      if (this.phase === "Closed" && responses.size === 0) socket.destroySoon()
    })
  }
}

/** The address of the other side, which the outer and the inner socket of TLS share. A socket of a file has none. */
const addressOf = ({ remoteAddress, remotePort }: Socket): string | undefined =>
  remotePort === undefined ? undefined : `${remoteAddress} ${remotePort}`

/** The responses that had no header of their own when a drain marked them. */
const closing = new WeakSet<ServerResponse>()

/** Marks the last response of a connection. With pipelining, an earlier one would cut those that follow. */
const closeAfterLast = (responses: ReadonlySet<ServerResponse>): void => {
  const last = [...responses].at(-1)
  for (const response of responses) {
    if (response.headersSent) continue
    if (response === last) {
      if (!response.hasHeader("Connection")) closing.add(response)
      response.setHeader("Connection", "close")
    } else if (closing.delete(response)) response.removeHeader("Connection")
  }
}
