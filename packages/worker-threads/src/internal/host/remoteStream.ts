/**
 * The host's end of a worker's stream.
 *
 * Invariant: the worker may send one chunk for each credit. Taking a chunk here gives back the credit.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ThreadAdapter from "@quiesce/core/adapter"
import type { Thread } from "@quiesce/core/Thread"
import * as WorkerError from "../../WorkerError.ts"
import type { TaskCodec } from "../wire/wire.ts"
import type { RemoteTask } from "./remoteTask.ts"

/** How many chunks a worker may send ahead of the consumer. */
const ahead = 4

/** A submitted task and its thread. */
export interface Started {
  readonly thread: Thread<unknown, unknown>
  readonly task: RemoteTask
}

type OnChunk = (values: ReadonlyArray<unknown>) => void

const logFailure = (failure: Cause.Cause<never>): Effect.Effect<void> =>
  Effect.logError("A finalizer failed after a stream was ended early", failure)

/** The decoded elements of a chunk. Fails if a value does not fit the contract. */
const decodeChunk = (
  { element, name }: TaskCodec,
  values: ReadonlyArray<unknown>
): Effect.Effect<ReadonlyArray<unknown>, WorkerError.WorkerError> => {
  if (element === undefined) return Effect.succeed(values)
  return Effect.mapError(Effect.forEach(values, element.decode), (problem) =>
    WorkerError.make({ _tag: "BadReply", task: name, problem })
  )
}

/**
 * The stream of a task that `start` starts. The task ends with the stream. The failure of a finalizer is then logged,
 * because the stream may have given all elements that its consumer has asked for.
 */
export const streamOf = (
  start: (onChunk: OnChunk) => Effect.Effect<Started, unknown, Scope.Scope>
): Stream.Stream<unknown, unknown> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const chunks = yield* Queue.unbounded<ReadonlyArray<unknown>, unknown>()
      const started = start((values) => Queue.offerUnsafe(chunks, values))
      const { thread, task } = yield* ThreadAdapter.reportingCleanup(started, (one) => one.thread, logFailure)
      task.pull(ahead)
      ThreadAdapter.onExit(thread, (exit) => {
        Queue.failCauseUnsafe(chunks, Exit.isSuccess(exit) ? Cause.fail(Cause.Done()) : exit.cause)
      })
      return Stream.fromQueue(chunks).pipe(
        Stream.mapEffect((values) => {
          task.pull(1)
          return decodeChunk(task.codec, values)
        }),
        Stream.flattenIterable
      )
    })
  )
