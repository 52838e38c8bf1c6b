/** The error of Effect's RpcClient for a call without a reply. Interruptions and defects stay as they are. */
import { messageOf } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import * as EffectWorkerError from "effect/workers/WorkerError"
import * as WorkerError from "../../../WorkerError.ts"

export const fromCause = (cause: Cause.Cause<unknown>): Cause.Cause<RpcClientError> => {
  const failure = cause.reasons.find(Cause.isFailReason)
  // The error already contains the other reasons of a lost worker.
  return failure === undefined
    ? (cause as Cause.Cause<never>)
    : Cause.fail(new RpcClientError({ reason: reasonOf(failure.error) }))
}

const reasonOf = (error: unknown): RpcClientError["reason"] => {
  const message = messageOf(error)
  if (!(error instanceof WorkerError.WorkerError)) return new RpcClientDefect({ message, cause: error })
  const Kind = kinds[error.reason._tag] ?? EffectWorkerError.WorkerUnknownError
  return new Kind({ message, cause: error })
}

/** Effect's closest worker error for each reason. All other reasons become `WorkerUnknownError`. */
const kinds: { readonly [Tag in WorkerError.WorkerErrorReason["_tag"]]?: Kind } = {
  SpawnFailed: EffectWorkerError.WorkerSpawnError,
  NotSendable: EffectWorkerError.WorkerSendError,
  WorkerExited: EffectWorkerError.WorkerReceiveError,
  ResultNotSendable: EffectWorkerError.WorkerReceiveError,
  BadReply: EffectWorkerError.WorkerReceiveError
}

type Kind = new (props: { readonly message: string; readonly cause: unknown }) => EffectWorkerError.WorkerErrorReason
