/** Whether this process can end code in its workers. */
import { Worker, workerData } from "node:worker_threads"
import { messageOf } from "@quiesce/core/internal"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { apart } from "./apart.ts"
import type { Attachment } from "../../inspector/attachment.ts"
import * as Inspector from "../../inspector/connection.ts"
import { problem, type Problem } from "../../inspector/inspectorProblem.ts"
import { type Capabilities, handshakeOf } from "../../wire/handshake.ts"
import { execArgv } from "../../wire/unwindFlags.ts"

/** A worker that blocks its thread on the first request, and replies to the next request. */
const probeWorker = `
const { parentPort } = require("node:worker_threads")
const { AsyncLocalStorage } = require("node:async_hooks")
parentPort.on("message", (ask) => {
  if (ask === "ping") return parentPort.close(parentPort.postMessage("pong"))
  new AsyncLocalStorage().run(0, () => {
    parentPort.postMessage("hogging")
    for (;;);
  })
})
`

const patience = "5 seconds"

const realClock = Context.get(Context.empty(), Clock.Clock)

/** Ends a loop in a probe worker, and checks that the worker replies afterwards. */
const tryIt: Effect.Effect<void, Problem, Scope.Scope> = Effect.gen(function* () {
  yield* hold
  const worker = yield* spawn
  // Side by side, because attaching and starting take about the same time.
  const [attachment] = yield* Effect.all([Inspector.attach(worker), ask(worker, "hog", "hogging")], {
    concurrency: "unbounded"
  })
  yield* end(attachment)
  yield* ask(worker, "ping", "pong")
})

const end = (attachment: Attachment): Effect.Effect<unknown, Problem> => attachment.post("Runtime.terminateExecution")

/** Keeps the line to the inspector open from before the worker starts. The line would otherwise miss the start. */
const hold: Effect.Effect<() => void, Problem, Scope.Scope> = Effect.acquireRelease(
  Effect.try({ try: Inspector.hold, catch: (cause) => problem(messageOf(cause)) }),
  (release) => Effect.sync(release)
)

const spawn: Effect.Effect<Worker, Problem, Scope.Scope> = Effect.acquireRelease(
  Effect.try({
    try: () => {
      const worker = new Worker(probeWorker, {
        eval: true,
        execArgv: [...execArgv],
        stdout: true,
        stderr: true,
        env: {}
      })
      // The waiting code gets the error by itself. Without a listener the error would end the process.
      worker.on("error", () => {})
      return worker
    },
    catch: (cause) => problem(messageOf(cause))
  }),
  (worker) => Effect.promise(() => worker.terminate())
)

const ask = (worker: Worker, question: string, answer: string): Effect.Effect<void, Problem> =>
  Effect.callback((resume) => {
    const onMessage = (message: unknown) =>
      resume(message === answer ? Effect.void : Effect.fail(problem(`The worker said ${String(message)}`)))
    const exited = () => resume(Effect.fail(problem("The worker ended")))
    worker.once("message", onMessage).once("exit", exited)
    worker.postMessage(question)
    return Effect.sync(() => worker.off("message", onMessage).off("exit", exited))
  })

const measure: Effect.Effect<Capabilities> = Effect.scoped(tryIt).pipe(
  Effect.timeoutOrElse({
    duration: patience,
    orElse: () => Effect.fail(problem("A loop in a worker could not be ended"))
  }),
  Effect.provideService(Clock.Clock, realClock),
  Effect.match({
    onSuccess: (): Capabilities => ({ unwind: { _tag: "SectionsAndOtherCode" } }),
    onFailure: ({ why }): Capabilities => ({ unwind: { _tag: "None", why } })
  })
)

let measured: Capabilities | undefined
const measuring = Semaphore.makeUnsafe(1)

/**
 * The capabilities of this process, tried out once on a probe worker. A worker of a pool takes the result of its host.
 *
 * *Cancellation*: the probe worker is ended and awaited. The next caller tries again.
 */
export const capabilities: Effect.Effect<Capabilities> = Effect.suspend(() => {
  const known = measured ?? handshakeOf(workerData)?.capabilities
  return known === undefined ? apart(measuring.withPermit(measureOnce)) : Effect.succeed(known)
})

const measureOnce = Effect.suspend(() =>
  measured === undefined
    ? Effect.tap(measure, (made) => Effect.sync(() => (measured = made)))
    : Effect.succeed(measured)
)
