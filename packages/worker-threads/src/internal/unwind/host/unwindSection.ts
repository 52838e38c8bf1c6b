/**
 * Ends the declared section that a worker runs, and nothing else.
 *
 * Invariants:
 * 1. The engine is asked to end something only after the section was claimed, so that it can't end by itself before.
 * 2. A worker has one claim at a time: the word holds no second one, and no section starts before the claimed one ended.
 * 3. Whoever was to hear of the end of a run hears of it, even if nobody waits any more.
 */
import type { UnwindOutcome } from "@quiesce/core/ThreadControls"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Attachment } from "../../inspector/attachment.ts"
import * as Word from "../../wire/sectionWord.ts"

/**
 * The word that the worker's section runner uses, and what tells that runner, by a message, that a run has been ended.
 */
export interface Target {
  readonly attachment: Attachment
  readonly words: Word.Words
  readonly index: number
  readonly unwound: (run: number) => void
}

const idle: UnwindOutcome = { _tag: "Idle" }

/** Why nothing of a worker is ended now. */
export const masked = "its worker runs an uninterruptible section"

/**
 * Ends the section that runs, if it is the expected run.
 *
 * *Cancellation*: a section that was claimed is ended all the same, as soon as the engine can.
 */
export const unwind = (target: Target, expected?: number): Effect.Effect<UnwindOutcome> =>
  target.attachment.exclusive.withPermit(Effect.suspend(() => attempt(target, expected)))

const attempt = (target: Target, expected: number | undefined): Effect.Effect<UnwindOutcome> => {
  const claim = Word.claim(target.words, target.index, expected)
  switch (claim._tag) {
    case "Idle":
      return Effect.succeed(idle)
    case "Masked":
      return Effect.succeed({ _tag: "Refused", why: masked })
    case "Claimed":
      return terminate(target, claim.run)
  }
}

const terminate = (target: Target, run: number): Effect.Effect<UnwindOutcome> =>
  Effect.callback((resume) => {
    target.attachment.send("Runtime.terminateExecution", undefined, (outcome) => {
      if (Result.isSuccess(outcome)) {
        target.unwound(run)
        return resume(Effect.succeed({ _tag: "Unwound" }))
      }
      Word.unclaim(target.words, target.index, run)
      return resume(Effect.succeed({ _tag: "Refused", why: outcome.failure.why }))
    })
  })
