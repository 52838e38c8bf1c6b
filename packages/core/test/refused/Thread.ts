/** Programs with threads that the compiler refuses: see scripts/check-types.ts. */
import { Thread } from "@quiesce/core"
import { Context, Effect, Schema } from "effect"

declare const thread: Thread.Thread<number, "no">

// says: 'nam' does not exist in type 'SpawnOptions'
export const misspelt = Thread.spawn(Effect.void, { nam: "a" })

// says: 'nam' does not exist in type
export const misspeltInPipe = Effect.void.pipe(Thread.spawn({ nam: "a" }))

// says: Promise<number>
export const promise = Thread.spawn(Promise.resolve(1))

// says: Scope
export const outside = Effect.runFork(Thread.spawn(Effect.void))

// says: "no"
export const uncaught: Effect.Effect<number> = Thread.join(thread)

// says: CancelReason
export const textAsReason = Thread.stop(thread, { reason: "because" })

// says: 'Raisable'
export const number = Thread.raise(thread, 1)

// says: undefined
export const twoLimits = Thread.joinAll([thread], { each: 10, within: 20 })

// says: Thread<unknown, unknown>
export const effect = Thread.joinAll([Effect.succeed(1)])

// says: Option<number>
export const limited: Effect.Effect<[number], "no"> = Thread.joinAll([thread], { within: 10 })

class PlainError extends Error {}
class Reload extends Schema.TaggedError<Reload>()("Reload", {}) {}
class Key extends Context.Service<Key, string>()("Key") {}

declare const sealed: Schema.Codec<Reload, string, Key>

// says: 'string' is not assignable to type 'object'
export const textAsError = Effect.never.pipe(Thread.receive(Schema.String))

// says: 'string' is not assignable to type 'object'
export const textAsErrorInFront = Thread.receive(Effect.never, Schema.String)

// says: 'typeof PlainError' is not assignable to parameter of type 'Receivable'
export const plainClass = Effect.never.pipe(Thread.receive(PlainError))

// says: 'Key' is not assignable to type 'never'
export const withServices = Effect.never.pipe(Thread.receive(sealed))

// says: Expected at least 1 argument
export const noClass = Effect.never.pipe(Thread.receive())

// says: Reload
export const uncaughtRaise: Effect.Effect<number> = Effect.succeed(1).pipe(Thread.receive(Reload))
