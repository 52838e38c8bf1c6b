/**
 * The errors of an exit that the Schema of its task does not have, such as the error of a worker that has ended. Each is
 * sent as a defect, which keeps the name and the message of the error.
 */
import { messageOf, readOr } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ClusterError } from "../../ClusterError.ts"

type AnyExit = Exit.Exit<unknown, unknown>
type Encode<A> = (exit: AnyExit) => Effect.Effect<A, ClusterError>
type Reasons = ReadonlyArray<Cause.Reason<unknown>>

/** Encodes an exit after `problem`, the error of a first attempt. Each part is sent that can be sent. */
export const encode = <A>(exit: AnyExit, problem: ClusterError, encodeExit: Encode<A>): Effect.Effect<A> => {
  // A wrong value has no error that could be sent.
  const parts = Exit.isSuccess(exit)
    ? Effect.succeed(dies(problem))
    : Effect.map(
        Effect.forEach(exit.cause.reasons, (part) => sendable(part, encodeExit)),
        (all) => all.flat()
      )
  return Effect.flatMap(parts, (all) => Effect.orDie(encodeExit(Exit.failCause(Cause.fromReasons(all)))))
}

const dies = (defect: unknown): Reasons => Cause.die(defect).reasons

const sendable = (part: Cause.Reason<unknown>, encodeExit: Encode<unknown>): Effect.Effect<Reasons> => {
  const canSend = (parts: Reasons) => encodeExit(Exit.failCause(Cause.fromReasons(parts)))
  const asDefect = (error: unknown): Effect.Effect<Reasons> => {
    const own = dies(isReadable(error) ? error : new Error(messageOf(error)))
    return Effect.orElseSucceed(Effect.as(canSend(own), own), () => dies(new Error(messageOf(error))))
  }
  if (Cause.isDieReason(part)) return asDefect(part.defect)
  if (!Cause.isFailReason(part)) return Effect.succeed([part])
  const { error } = part
  return Effect.as(canSend([part]), [part]).pipe(
    Effect.catch((problem) =>
      // The Schema has no error of the runner itself, so the Schema's problem says nothing about a worker.
      Effect.map(asDefect(error), (own) => (isOfWorker(error) ? own : [...own, ...dies(problem)]))
    )
  )
}

/** A message may throw. Effect's first attempt to encode such an error fails, and the second gives "[Circular]". */
const isReadable = (error: unknown): boolean =>
  readOr(() => !(error instanceof Error) || typeof error.message === "string", false)

/** The package of the pool is not loaded by runners without one. */
const isOfWorker = (error: unknown): boolean =>
  readOr(() => (error as { readonly _tag?: unknown })._tag === "WorkerError", false)
