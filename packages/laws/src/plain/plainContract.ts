/** The inputs of the plain function of a test worker, and its planted faults. */
import type { Given } from "../workers/TestPool.ts"

export type Input =
  /** Returns the id of the thread. */
  | { readonly _tag: "Hello" }
  /** Interprets the program of a scenario, with its plan begun at a step. */
  | { readonly _tag: "Run"; readonly given: Given }
  /** Lives beside a scenario until `word` is set, and returns the effects that it has noticed. */
  | { readonly _tag: "Bystander"; readonly word: Int32Array<SharedArrayBuffer> }

/** The worker loads the module of locks before it takes a call. */
export const withLocks = "locks"

/** The planted faults of the function, and of the context that it gets. */
export type PlainFault =
  | "releases twice"
  | "releases what it failed to acquire"
  | "forgets leases"
  | "releases the first first"
  | "stops releasing after a failure"
  | "cuts releases"
  | "releases beyond limits"
  | "settles before it has released"
  | "never looks at its token"
  | "runs twice"
  | "ignores its signal"
  | "wakes under masks"
  | "changes its reason"
  | "leaves promises behind"
  | "leaves its lock locked"
  | "loops while it holds leases"
