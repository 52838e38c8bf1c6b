/** The calls of a client to the entity of one thread. */
import type * as Effect from "effect/Effect"
import { ThreadEntity } from "../wire/protocol.ts"

/** Makes the client of a thread by the thread's id. */
export const make = ThreadEntity.client

export type ThreadClient = ReturnType<Effect.Success<typeof make>>
