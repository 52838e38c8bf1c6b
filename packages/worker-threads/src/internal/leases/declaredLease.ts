/** A lease in the contract of host and worker, and the host's handler for it. */
import { readOr } from "@quiesce/core/internal"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TaskCodec } from "../wire/wire.ts"

const TypeId = "~@quiesce/worker-threads/HostLease"

/** A declared lease: its payload, its value and its errors. */
export interface DeclaredLease<in out P, in out A, in out E> {
  readonly [TypeId]: { readonly payload: (_: P) => P; readonly success: (_: A) => A; readonly error: (_: E) => E }
  readonly name: string
}

/** How a host acquires a lease. The compiler checks the contract's types where the handler is made. */
export interface Handler {
  readonly name: string
  readonly lease: DeclaredLease<never, never, never>
  readonly acquire: (payload: unknown) => Effect.Effect<unknown, unknown, Scope.Scope>
  /** False for an answer, which keeps nothing: no report names it. */
  readonly isKept: boolean
}

class Declared {
  readonly [TypeId]: never = undefined as never
  readonly codec: TaskCodec

  constructor(codec: TaskCodec) {
    this.codec = codec
  }

  get name(): string {
    return this.codec.name
  }
}

/** Whether a value is a lease of `HostLease.make`. */
export const isDeclared = (u: unknown): boolean => readOr(() => u instanceof Declared, false)

/** The codec of a lease's payload and value. */
export const codecOf = (lease: { readonly name: string }): TaskCodec =>
  // Every lease is made by `make`.
  (lease as Declared).codec

export const declare = <P, A, E>(codec: TaskCodec): DeclaredLease<P, A, E> => new Declared(codec)

export const codecOfHandler = (made: Handler): TaskCodec => codecOf(made.lease)
