/**
 * A line to the inspector of a process: requests with their replies, and events.
 *
 * Invariant: each request is answered once, by the reply or by the end of the line. Messages of another form are ignored.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

type Message =
  | { readonly id: number; readonly result?: unknown }
  | { readonly method: string; readonly params?: unknown }

const Message: Schema.Codec<Message, unknown> = Schema.fromJsonString(
  Schema.Union([
    Schema.Struct({ id: Schema.Number, result: Schema.optionalKey(Schema.Unknown) }),
    Schema.Struct({ method: Schema.String, params: Schema.optionalKey(Schema.Unknown) })
  ])
)

/** A message of the inspector; none for a text of another form. */
export const decode: (text: unknown) => Option.Option<Message> = Schema.decodeUnknownOption(Message)

export interface Line {
  /** None if the line has ended, or the reply does not come in time. A refusal has no result. */
  readonly post: (method: string, params?: object, millis?: number) => Effect.Effect<Option.Option<unknown>>
  readonly onEvent: (listener: (method: string, params: unknown) => void) => void
  /** Completes when the line has ended. */
  readonly ended: Effect.Effect<void>
}

/** The time for an answer of the engine, in milliseconds. Code that is busy is interrupted for it. */
const patience = 1500

/** Opens a line until the scope closes. None if the other side does not accept it. */
export const open = (url: string): Effect.Effect<Option.Option<Line>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new WebSocket(url)),
    (socket) => Effect.sync(() => socket.close())
  ).pipe(
    Effect.flatMap((socket) =>
      Effect.callback<Option.Option<Line>>((resume) => {
        socket.addEventListener("open", () => resume(Effect.succeedSome(make(socket))))
        socket.addEventListener("error", () => resume(Effect.succeedNone))
      })
    ),
    Effect.timeoutOption(patience),
    Effect.map(Option.flatten)
  )

const make = (socket: WebSocket): Line => {
  const replies = new Map<number, (result: Option.Option<unknown>) => void>()
  const listeners: Array<(method: string, params: unknown) => void> = []
  let lastId = 0
  const ended = Effect.callback<void>((resume) => {
    if (socket.readyState === WebSocket.CLOSED) resume(Effect.void)
    else socket.addEventListener("close", () => resume(Effect.void), { once: true })
  })
  socket.addEventListener("close", () => replies.forEach((reply) => reply(Option.none())))
  socket.addEventListener("message", ({ data }) => {
    const message = Option.getOrUndefined(decode(data))
    if (message === undefined) return
    if ("id" in message) replies.get(message.id)?.(Option.some(message.result))
    else listeners.forEach((listener) => listener(message.method, message.params))
  })
  const send = (method: string, params: object | undefined): Effect.Effect<Option.Option<unknown>> =>
    Effect.callback((resume) => {
      const id = ++lastId
      if (socket.readyState !== WebSocket.OPEN) return resume(Effect.succeedNone)
      replies.set(id, (result) => resume(Effect.succeed(result)))
      socket.send(JSON.stringify({ id, method, params }))
      return Effect.sync(() => replies.delete(id))
    })
  return {
    post: (method, params, millis = patience) =>
      Effect.map(Effect.timeoutOption(send(method, params), millis), Option.flatten),
    onEvent: (listener) => void listeners.push(listener),
    ended
  }
}
