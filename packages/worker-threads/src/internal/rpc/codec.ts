/**
 * Sends a request of Effect's RPC as a task: the payload is the request and the result is the reply. Effect encodes
 * both with the Schemas of the contract. Only their envelope is checked here.
 */
import * as Effect from "effect/Effect"
import type * as RpcMessage from "effect/rpc/RpcMessage"
import type * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import type { Problem, TaskCodec } from "../wire/wire.ts"

/** Effect's encoding of the contents, the same as in its own worker protocol: anything that JSON can express. */
export const codecFor: RpcSerialization.CodecFor = Schema.toCodecJson

export type EncodedReply = RpcMessage.ResponseExitEncoded["exit"]

/** The reply of a worker, and its transfers. */
export interface Reply {
  readonly exit: EncodedReply
  readonly transfers: ReadonlyArray<unknown>
}

const isRecord = (u: unknown): u is Readonly<Record<string, unknown>> => typeof u === "object" && u !== null

const isHeader = (u: unknown): boolean =>
  Array.isArray(u) && u.length === 2 && typeof u[0] === "string" && typeof u[1] === "string"

const isRequest = (u: unknown): u is RpcMessage.RequestEncoded =>
  isRecord(u) &&
  u["_tag"] === "Request" &&
  (typeof u["id"] === "string" || typeof u["id"] === "number") &&
  typeof u["tag"] === "string" &&
  Array.isArray(u["headers"]) &&
  u["headers"].every(isHeader) &&
  // A notification has no reply, so its end could not be noticed.
  u["isNotification"] === undefined

const isReply = (u: unknown): u is EncodedReply =>
  isRecord(u) && (u["_tag"] === "Success" || (u["_tag"] === "Failure" && Array.isArray(u["cause"])))

const decoder =
  <A>(is: (u: unknown) => u is A, problem: Problem) =>
  (encoded: unknown): Effect.Effect<A, Problem> =>
    is(encoded) ? Effect.succeed(encoded) : Effect.fail(problem)

/** The codec of the requests of one Rpc. */
export const make = (tag: string): TaskCodec => ({
  name: tag,
  payload: {
    isPlain: true,
    encode: (request) => Effect.succeed(request),
    decode: decoder(isRequest, "it is not a request of Effect's RPC")
  },
  success: {
    isPlain: false,
    encode: (reply, transfers) => {
      // The result of such a task is a reply.
      const { exit, transfers: own } = reply as Reply
      transfers.push(...own)
      return Effect.succeed(exit)
    },
    decode: decoder(isReply, "it is not a reply of Effect's RPC")
  },
  error: {
    isPlain: false,
    encode: () => Effect.fail("the reply says how a request failed"),
    decode: () => Effect.fail("the reply says how a request failed")
  },
  element: undefined
})
