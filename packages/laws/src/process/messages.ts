/**
 * The messages between a run and its process, one line of JSON each. The process writes to its output, and waits for
 * the answer to a question by a read that blocks. So both sides take turns, and time passes only by an answer.
 */
import type { Scenario } from "@quiesce/testing/laws/Scenario"
import type { PlainFault } from "../plain/plainContract.ts"
import type { EncodedEvent } from "../workers/wire.ts"

/** The work of a process. */
export interface Given {
  readonly scenario: Scenario
  readonly cut: number | null
  readonly fault: PlainFault | undefined
}

export type Question =
  | { readonly _tag: "Began" }
  /** The process waits at a step for the host to perform the plan. */
  | { readonly _tag: "Cut"; readonly index: number }
  /** No code can run before time passes; `next` is the end of the next sleep, and `requests` counts those that arrived. */
  | { readonly _tag: "Idle"; readonly next: number | null; readonly requests: number }
  /** The process exits after the answer. */
  | { readonly _tag: "Finished"; readonly steps: number; readonly sleeps: number }

export type FromProcess = Question | { readonly _tag: "Trace"; readonly events: ReadonlyArray<EncodedEvent> }

/** `requests`: the number of requests to await. `advance`: the next sleep ends. */
export interface Answer {
  readonly now: number
  readonly requests: number
  readonly advance: boolean
}
