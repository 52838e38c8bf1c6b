/** What has ended a call without a reply, as Effect's RpcClient tells it: interruptions and defects are left as they are. */
import * as Cause from "effect/Cause"
import { RpcClientDefect, RpcClientError } from "effect/rpc/RpcClientError"
import * as EffectWorkerError from "effect/workers/WorkerError"
import * as WorkerError from "../../../WorkerError.ts"
import { messageOf } from "../../wire/errorText.ts"

export const fromCause = (cause: Cause.Cause<unknown>): Cause.Cause<RpcClientError> => {
  const failure = cause.reasons.find(Cause.isFailReason)
  // What else is said of a worker that was lost is in the error already.
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

/** Which of Effect's errors of workers says the same; for the rest there is one that says nothing. */
const kinds: { readonly [Tag in WorkerError.WorkerErrorReason["_tag"]]?: Kind } = {
  SpawnFailed: EffectWorkerError.WorkerSpawnError,
  NotSendable: EffectWorkerError.WorkerSendError,
  WorkerExited: EffectWorkerError.WorkerReceiveError,
  BadReply: EffectWorkerError.WorkerReceiveError
}

type Kind = new (props: { readonly message: string; readonly cause: unknown }) => EffectWorkerError.WorkerErrorReason
