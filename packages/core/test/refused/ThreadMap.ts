/** Programs with maps that the compiler refuses: see scripts/check-types.ts. */
import { ThreadMap } from "@quiesce/core"
import { Effect } from "effect"

declare const map: ThreadMap.ThreadMap<string, "no">
declare const other: Effect.Effect<number, "other">
declare const start: ThreadMap.Runtime<string, "no">

// says: '"other"' is not assignable to type '"no"'
export const otherError = ThreadMap.run(map, "a", other)

// says: '"other"' is not assignable to type '"no"'
export const otherErrorInPipe = other.pipe(ThreadMap.run(map, "a"))

// says: '"other"' is not assignable to type '"no"'
export const otherErrorInCallback = start("a", other)

// says: 'number' is not assignable to parameter of type 'string'
export const otherKey = ThreadMap.run(map, 1, Effect.void)

// says: 'number' is not assignable to
export const otherKeyOfGet = ThreadMap.get(map, 1)

// says: DeadlineExceeded
export const uncaught: Effect.Effect<void, "no"> = ThreadMap.join(map)

// says: 'nam'
export const misspelt = ThreadMap.run(map, "a", Effect.void, { nam: "a" })

// says: 'onlyIfMising'
export const misspeltInPipe = Effect.void.pipe(ThreadMap.run(map, "a", { onlyIfMising: true }))
