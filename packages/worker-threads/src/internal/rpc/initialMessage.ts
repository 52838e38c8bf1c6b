/** The message that a client of Effect's RPC may send to each of its workers before any request. */
import { parentPort, type Worker } from "node:worker_threads"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as RpcWorker from "effect/rpc/RpcWorker"
import type * as Scope from "effect/Scope"

const key = "~@quiesce/worker-threads/InitialMessage"

type InitialMessage = RpcWorker.InitialMessage["Service"]

/** Sends the message to a worker that was just started. A worker is useless without its message, and is terminated. */
export const send = (worker: Worker, message: InitialMessage): Effect.Effect<void> =>
  Effect.flatMap(message, ([value, transfers]) =>
    Effect.sync(() => worker.postMessage({ [key]: value }, transfers as Parameters<Worker["postMessage"]>[1]))
  ).pipe(
    Effect.onError((cause) =>
      Effect.sync(() => {
        worker.emit("error", Cause.squash(cause))
        void worker.terminate()
      })
    )
  )

/** Waits for the message in the worker, from now on. */
export const listen: Effect.Effect<Effect.Effect<unknown>, never, Scope.Scope> = Effect.suspend(() => {
  const received = Deferred.makeUnsafe<unknown>()
  const listener = (message: unknown): void => {
    if (typeof message !== "object" || message === null || !(key in message)) return
    Deferred.doneUnsafe(received, Effect.succeed(message[key]))
  }
  const listening = Effect.sync(() => {
    // The listener alone does not keep the worker alive.
    parentPort?.on("message", listener).unref()
  })
  const closed = Effect.sync(() => parentPort?.off("message", listener))
  return Effect.as(
    Effect.acquireRelease(listening, () => closed),
    Deferred.await(received)
  )
})
