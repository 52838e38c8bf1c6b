/**
 * Ends the section that a worker runs, and nothing else.
 *
 * Invariants:
 * 1. The host claims the section before it asks the engine to end code, so that the section can't end by itself meanwhile.
 * 2. A worker has one claim at a time: the word has no room for a second claim, and no section starts before the claimed
 *    section has ended.
 * 3. The section runner is notified of the end of a run, also if the caller has been cancelled.
 */
import type { UnwindOutcome } from "@quiesce/core/adapter"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Attachment } from "../../inspector/attachment.ts"
import * as Word from "../../wire/sectionWord.ts"

/**
 * A section in a worker: the word of its section runner, and `unwound`, which sends the runner the end of a run.
 */
export interface Target {
  readonly attachment: Attachment
  readonly words: Word.Words
  readonly index: number
  readonly unwound: (run: number) => void
}

const idle: UnwindOutcome = { _tag: "Idle" }

/** The refusal while an uninterruptible section runs. */
export const masked = "its worker runs an uninterruptible section"

/**
 * Ends the running section, if it is the expected run.
 *
 * *Cancellation*: a claimed section is still ended, as soon as the engine can.
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
