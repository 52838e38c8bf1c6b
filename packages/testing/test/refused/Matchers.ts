/** Programs with matchers that the compiler refuses: see scripts/check-types.ts. */
import type {} from "@quiesce/testing/Matchers"
import { Context, Effect, type Layer } from "effect"
import { expect } from "vitest"

class Database extends Context.Service<Database, { readonly size: number }>()("Database") {}
class Disk extends Context.Service<Disk, { readonly free: number }>()("Disk") {}

declare const work: Effect.Effect<number, "no", Database>
declare const disk: Layer.Layer<Disk>

// says: Expected 1 argument
export const noEffect = expect(1).toBeCancelSafe()

// says: Expected 1 argument
export const noEnvironment = expect(work).toBeCancelSafe()

// says: 'Database'
export const otherEnvironment = expect(work).toBeCancelSafe({ environment: disk })

// says: 'cutz' does not exist in type
export const misspelt = expect(Effect.void).toBeCancelSafe({ cutz: 10 })
