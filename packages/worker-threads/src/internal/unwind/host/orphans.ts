/**
 * Ends the code of threads after the termination of their own host.
 *
 * Node ends the threads below a terminated thread, but waits for each without limit. If such a thread is halted, or resumes
 * from a halt at the moment of its termination, it never ends: the only thread that would resume or terminate it again is
 * terminated itself. The line of the inspector is closed only at the end of that thread, so the process could not exit either.
 *
 * Invariants:
 * 1. A thread gets one request to end its code at a time, and the next request only after the answer. Node aborts the whole
 *    process if a request is pending while a thread is torn down.
 * 2. The caller names only threads that have outlived a termination for some time. Node also aborts the process if a request
 *    comes in the instant in which a thread gives up its inspector. A core dump showed this on Node 22, after some 12,000
 *    workers that got a request within a few milliseconds of their termination.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { Attachment } from "../../inspector/attachment.ts"
import * as Inspector from "../../inspector/connection.ts"
import type { Problem } from "../../inspector/inspectorProblem.ts"

/** The limit for one thread: a thread in native code does not answer. */
const patience = "1 second"

const realClock = Context.get(Context.empty(), Clock.Clock)

/** The threads that are being ended. */
const ending = new Map<number, Fiber.Fiber<unknown, unknown>>()

/** Resumes threads from a halt and ends their code. The threads have outlived a termination. Returns at once. */
export const end = (threadIds: ReadonlyArray<number>): void => {
  for (const threadId of threadIds) {
    if (ending.has(threadId)) continue
    const fiber = Effect.runFork(
      Effect.flatMap(Inspector.attachThread(threadId), endCode).pipe(
        Effect.scoped,
        Effect.timeoutOption(patience),
        Effect.provideService(Clock.Clock, realClock)
      )
    )
    ending.set(threadId, fiber)
    fiber.addObserver(() => ending.delete(threadId))
  }
}

/** The threads have ended: drops the requests to them, and the timers of these requests. */
export const over = (threadIds: Iterable<number>): void => {
  for (const threadId of threadIds) ending.get(threadId)?.interruptUnsafe()
}

const terminate = (attachment: Attachment): Effect.Effect<unknown, Problem> =>
  attachment.post("Runtime.terminateExecution")

/**
 * A halted thread reports its halt when the debugger is enabled. The report of a halt that an earlier user has ended may
 * come late: the engine then refuses to resume the thread.
 */
const endCode = (attachment: Attachment): Effect.Effect<unknown, Problem> =>
  Effect.suspend(() => {
    let isHalted = false
    const stop = attachment.listen("Debugger.paused", () => (isHalted = true))
    return attachment
      .post("Debugger.enable")
      .pipe(
        Effect.andThen(
          Effect.suspend(() =>
            isHalted
              ? attachment
                  .post("Debugger.resume", { terminateOnResume: true })
                  .pipe(Effect.catchTag("InspectorProblem", () => terminate(attachment)))
              : terminate(attachment)
          )
        ),
        Effect.raceFirst(attachment.whenGone),
        Effect.ensuring(Effect.sync(stop))
      )
  })
