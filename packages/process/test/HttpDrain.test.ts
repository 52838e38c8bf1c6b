import { once } from "node:events"
import {
  Agent,
  createServer,
  get,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse
} from "node:http"
import { createServer as createSecureServer } from "node:https"
import { type AddressInfo, connect, type Socket } from "node:net"
import { HttpDrain, ProcessError } from "@quiesce/process"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { afterEach, expect, it } from "vitest"

const closing: Array<() => unknown> = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A server on loopback with its drain. */
const serve = async (listener: RequestListener) => {
  const server = createServer(listener)
  const scope = Scope.makeUnsafe()
  const drain = await Effect.runPromise(Scope.provide(HttpDrain.make(server), scope))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const end = () => Effect.runPromise(Scope.close(scope, Exit.void))
  closing.push(end)
  return { server, drain, end, port: portOf(server) }
}

// The server listens.
const portOf = (server: Server): number => (server.address() as AddressInfo).port

/** A client that keeps its connections. */
const client = (port: number) => {
  const agent = new Agent({ keepAlive: true })
  closing.push(() => agent.destroy())
  return async (path: string): Promise<IncomingMessage> => {
    // The event has the response.
    const [response] = (await once(get({ port, path, agent, host: "127.0.0.1" }), "response")) as [IncomingMessage]
    return response
  }
}

const textOf = async (response: IncomingMessage): Promise<string> => {
  let text = ""
  for await (const chunk of response.setEncoding("utf8")) text += String(chunk)
  return text
}

const connection = async (port: number): Promise<Socket> => {
  const socket = connect(port, "127.0.0.1")
  closing.push(() => socket.destroy())
  await once(socket, "connect")
  return socket
}

const hello: RequestListener = (_, response) => void response.end("hello")

it("HttpDrain.drain continues to answer, reports not ready and asks clients to leave, and then closes idle connections", async () => {
  const { drain, port, server } = await serve(hello)
  const ask = client(port)
  expect((await ask("/")).headers.connection).toBe("keep-alive")
  expect(await Effect.runPromise(drain.isReady)).toBe(true)

  const idle = await connection(port)
  const closed = once(idle.resume(), "close")
  const draining = Effect.runFork(drain.drain({ serveOn: "1 hour" }))
  expect(await Effect.runPromise(drain.isReady)).toBe(false)
  expect((await Effect.runPromise(drain.status)).phase).toBe("Leaving")
  const response = await ask("/")
  expect(response.headers.connection).toBe("close")
  expect(await textOf(response)).toBe("hello")
  await Effect.runPromise(Fiber.interrupt(draining))

  expect(await Effect.runPromise(drain.drain())).toEqual({ phase: "Closed", connections: 0, requests: 0 })
  await closed
  expect(server.listening).toBe(false)
})

it("HttpDrain.drain closes a connection that has sent no request yet", async () => {
  const { drain, port, server } = await serve(hello)
  const accepted = once(server, "connection")
  const silent = await connection(port)
  const closed = once(silent.resume(), "close")
  await accepted

  expect(await Effect.runPromise(drain.drain())).toMatchObject({ connections: 0 })
  await closed
})

it("HttpDrain.drain closes a connection whose TLS handshake has not begun", async () => {
  const server = createSecureServer()
  const scope = Scope.makeUnsafe()
  const drain = await Effect.runPromise(Scope.provide(HttpDrain.make(server), scope))
  closing.push(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const accepted = once(server, "connection")
  const silent = await connection(portOf(server))
  const closed = once(silent.resume(), "close")
  await accepted
  expect(await Effect.runPromise(drain.status)).toEqual({ phase: "Serving", connections: 1, requests: 0 })
  expect(await Effect.runPromise(drain.drain())).toEqual({ phase: "Closed", connections: 0, requests: 0 })
  await closed
})

it("HttpDrain.drain answers all requests that a client has sent at once on a connection", async () => {
  const responses: Array<ServerResponse> = []
  const arrived = Promise.withResolvers<void>()
  const { drain, port } = await serve((_, response) => {
    responses.push(response)
    if (responses.length === 3) arrived.resolve()
  })
  const socket = await connection(port)
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3))
  await arrived.promise
  const text = (async () => {
    let received = ""
    for await (const chunk of socket.setEncoding("utf8")) received += String(chunk)
    return received
  })()
  const drained = Effect.runPromise(drain.drain())
  responses.forEach((response, index) => response.end(`answer ${index + 1}`))
  expect(await drained).toEqual({ phase: "Closed", connections: 0, requests: 0 })
  const received = await text
  expect(received.match(/answer \d/g)).toEqual(["answer 1", "answer 2", "answer 3"])
  expect(received.match(/^Connection: .*$/gim)?.map((line) => line.trim().toLowerCase())).toEqual([
    "connection: keep-alive",
    "connection: keep-alive",
    "connection: close"
  ])
})

it("HttpDrain.drain waits for a running request and for a response that a slow client still reads", async () => {
  const size = 20_000_000
  const { drain, port, server } = await serve((_, response) => void response.end("x".repeat(size)))
  const requested = once(server, "request")
  const response = await client(port)("/")
  await requested
  // The client reads nothing before the server has closed.
  const draining = Effect.runPromise(drain.drain())
  expect((await Effect.runPromise(drain.status)).requests).toBe(1)
  await untilClosed(drain)

  expect((await textOf(response)).length).toBe(size)
  expect(await draining).toEqual({ phase: "Closed", connections: 0, requests: 0 })
})

it("HttpDrain.drain returns after its limit, and the scope then closes the rest", async () => {
  const { drain, end, port, server } = await serve(() => {})
  const requested = once(server, "request")
  const socket = await connection(port)
  const closed = once(socket.resume(), "close")
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
  await requested

  expect(await Effect.runPromise(drain.drain({ within: "10 millis" }))).toMatchObject({ connections: 1, requests: 1 })
  await end()
  await closed
  expect(await Effect.runPromise(drain.status)).toMatchObject({ phase: "Closed" })
})

const expecting = (expectation: string): string =>
  `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\nExpect: ${expectation}\r\n\r\n`

/** The answer to a request that is sent without its body. The body follows after `Continue`. */
const answerTo = async (port: number, expectation: string): Promise<string> => {
  const socket = await connection(port)
  let text = ""
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk
    if (text === "HTTP/1.1 100 Continue\r\n\r\n") socket.write("ok")
  })
  socket.write(expecting(expectation))
  await once(socket, "close")
  return text
}

/** Answers with the body of a request. */
const echo: RequestListener = (request, response) => void request.pipe(response)

it("HttpDrain leaves the answer to a request with Expect to Node", async () => {
  const { drain, port } = await serve(echo)

  expect(await answerTo(port, "100-continue")).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*ok/)
  expect(await answerTo(port, "a miracle")).toMatch(/^HTTP\/1\.1 417 Expectation Failed\r\n/)
  expect(await Effect.runPromise(drain.drain())).toEqual({ phase: "Closed", connections: 0, requests: 0 })
})

it("HttpDrain leaves the answer to a request with Expect to the listeners of the server", async () => {
  const { port, server } = await serve(() => {
    throw new Error("The listener of the expectation answers")
  })
  server.on("checkContinue", (_, response: ServerResponse) => response.writeHead(403).end("too much"))
  server.on("checkExpectation", (_, response: ServerResponse) => response.end("granted"))

  expect(await answerTo(port, "100-continue")).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n[^]*too much/)
  expect(await answerTo(port, "a miracle")).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*granted/)
})

it.each([
  ["request", "100-continue"],
  ["checkContinue", "100-continue"],
  ["checkExpectation", "a miracle"]
])("HttpDrain.drain waits for a request with Expect that a listener of %s answers", async (event, expectation) => {
  const { drain, port, server } = await serve(() => {})
  const requested = once(server, event)
  const socket = await connection(port)
  const closed = once(socket.resume(), "close")
  socket.write(expecting(expectation))
  // The listeners of all these events have the response.
  const [, response] = (await requested) as [IncomingMessage, ServerResponse]
  const draining = Effect.runPromise(drain.drain())
  await untilClosed(drain)
  expect(await Effect.runPromise(drain.status)).toMatchObject({ connections: 1, requests: 1 })

  response.end("done")
  expect(await draining).toEqual({ phase: "Closed", connections: 0, requests: 0 })
  await closed
})

it("HttpDrain.drain waits twice if it is called twice", async () => {
  const { drain } = await serve(hello)
  const both = Effect.all([drain.drain(), drain.drain()], { concurrency: "unbounded" })

  expect(await Effect.runPromise(both)).toHaveLength(2)
})

it("HttpDrain.drain refuses an invalid time, and the server stays ready", async () => {
  const { drain } = await serve(hello)
  const exit = await Effect.runPromiseExit(drain.drain({ within: "-1 second" }))

  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  expect(ProcessError.isProcessError(error) && error.message).toContain(
    `HttpDrain's within: it is "-1 second": a time can't be negative`
  )
  expect(await Effect.runPromise(drain.isReady)).toBe(true)
})

const untilClosed = async (drain: HttpDrain.HttpDrain): Promise<void> => {
  while ((await Effect.runPromise(drain.status)).phase !== "Closed") await new Promise(setImmediate)
}
