/** Programs of tests that the compiler refuses: see scripts/check-types.ts. */
import { Interruption, Leaks } from "@quiesce/testing"
import { Context, Effect } from "effect"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}

declare const work: Effect.Effect<number, "no", Database>

// says: 'withn' does not exist in type
export const misspelt = Leaks.none(Effect.void, { withn: 10 })

// says: 'withn' does not exist in type
export const misspeltInPipe = Effect.void.pipe(Leaks.none({ withn: 10 }))

// says: TestingError
export const uncaught: Effect.Effect<number, "no", Database> = work.pipe(Leaks.none)

// says: Database
export const noEnvironment = Interruption.check(work)

// says: Database
export const noEnvironmentInPipe = work.pipe(Interruption.check)
