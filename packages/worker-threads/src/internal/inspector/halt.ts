/**
 * Stops a worker's code for a moment, to see where it is.
 *
 * Invariants:
 * 1. The debugger is on only while it is used here, so that a worker never halts for a `debugger` statement of its own.
 * 2. Whatever happens, also to whoever waits, the worker goes on: switching the debugger off lets it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Attachment } from "./attachment.ts"
import { problem, type Problem } from "./inspectorProblem.ts"

/** A frame of the stack, the innermost first; lines and columns from 1. */
export interface Frame {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly line: number
  readonly column: number
}

/** A worker at a halt. */
export interface Halt {
  readonly frames: ReadonlyArray<Frame>
  /** The value, which must be plain data, of an expression as seen from a frame. */
  readonly evaluate: (frame: Frame, expression: string) => Effect.Effect<unknown, Problem>
}

/** What follows a halt: the code goes on, or is ended where it is. */
export interface Verdict<A> {
  readonly value: A
  readonly end: boolean
}

/** How long all of it may take; a worker in native code looks at nothing until that returns. */
const limit = "5 seconds"

/** Why there was no halt within that: a worker that is idle answers at once. */
export const deaf = "what runs does not look at requests to halt"

/** The worker knows no other. */
const realClock = Context.get(Context.empty(), Clock.Clock)

/** Milliseconds of the worker's time. */
export const wait = (millis: number): Effect.Effect<void> =>
  Effect.provideService(Effect.sleep(millis), Clock.Clock, realClock)

/**
 * Halts the worker and asks what is to follow; none when no JavaScript ran within `patience`. On a machine that has more
 * to run than it can, it takes its time until a thread that loops gets to see the request. It fails when the worker is
 * gone, and no timer of it is left then; and when it does not answer.
 */
export const halt = <A>(
  attachment: Attachment,
  patience: Duration.Input,
  judge: (halt: Halt) => Effect.Effect<Verdict<A>, Problem>
): Effect.Effect<Option.Option<A>, Problem> =>
  attachment.exclusive.withPermit(
    Effect.raceFirst(
      Effect.suspend(() => haltAndJudge(attachment, patience, judge)),
      attachment.whenGone
    ).pipe(
      // Not waited for: a worker in native code answers when that returns.
      Effect.ensuring(Effect.sync(() => attachment.send("Debugger.disable"))),
      Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(problem(deaf)) }),
      Effect.provideService(Clock.Clock, realClock)
    )
  )

const haltAndJudge = <A>(
  attachment: Attachment,
  patience: Duration.Input,
  judge: (halt: Halt) => Effect.Effect<Verdict<A>, Problem>
): Effect.Effect<Option.Option<A>, Problem> =>
  Effect.gen(function* () {
    const urls = yield* enable(attachment)
    const paused = yield* pause(attachment, patience)
    if (Option.isNone(paused)) return Option.none()
    const { value, end } = yield* judge(haltOf(attachment, paused.value, urls))
    yield* resume(attachment, end)
    return Option.some(value)
  })

/**
 * Gives the URLs of all scripts, as the frames of a halted stack don't say them.
 *
 * The worker may still be in a halt of before, whose end it has been asked for: it says so, and takes no other request
 * to halt until it has gone on.
 */
const enable = (attachment: Attachment): Effect.Effect<ReadonlyMap<string, string>, Problem> =>
  Effect.suspend(() => {
    const urls = new Map<string, string>()
    const resumed = Deferred.makeUnsafe<void>()
    let halted = false
    const stops = [
      attachment.listen("Debugger.scriptParsed", (params) => {
        // The inspector's protocol.
        const { scriptId, url } = params as { readonly scriptId: string; readonly url: string }
        urls.set(scriptId, url)
      }),
      attachment.listen("Debugger.paused", () => (halted = true)),
      attachment.listen("Debugger.resumed", () => Deferred.doneUnsafe(resumed, Effect.void))
    ]
    // Refused where it has gone on meanwhile.
    const goOn = Effect.andThen(Effect.ignore(attachment.post("Debugger.resume")), Deferred.await(resumed))
    return attachment
      .post("Debugger.enable")
      .pipe(
        Effect.andThen(Effect.suspend(() => (halted ? goOn : Effect.void))),
        Effect.as(urls),
        Effect.ensuring(Effect.sync(() => stops.forEach((stop) => stop())))
      )
  })

/** It goes on in any case; if it is not seen to, that is no reason to take it back. */
const resumePatience = "1 second"

/** Completes when the worker has gone on: a request to halt that comes before that would be taken for done. */
const resume = (attachment: Attachment, end: boolean): Effect.Effect<unknown, Problem> =>
  Effect.suspend(() => {
    const resumed = Deferred.makeUnsafe<void>()
    const stop = attachment.listen("Debugger.resumed", () => Deferred.doneUnsafe(resumed, Effect.void))
    return attachment
      .post("Debugger.resume", { terminateOnResume: end })
      .pipe(
        Effect.andThen(Effect.timeoutOption(Deferred.await(resumed), resumePatience)),
        Effect.ensuring(Effect.sync(stop))
      )
  })

const pause = (attachment: Attachment, patience: Duration.Input): Effect.Effect<Option.Option<unknown>, Problem> =>
  Effect.suspend(() => {
    const paused = Deferred.makeUnsafe<unknown>()
    const stop = attachment.listen("Debugger.paused", (params) => Deferred.doneUnsafe(paused, Effect.succeed(params)))
    return attachment
      .post("Debugger.pause")
      .pipe(Effect.andThen(Effect.timeoutOption(Deferred.await(paused), patience)), Effect.ensuring(Effect.sync(stop)))
  })

interface CallFrame {
  readonly callFrameId: string
  readonly functionName: string
  readonly location: { readonly scriptId: string; readonly lineNumber: number; readonly columnNumber?: number }
}

const haltOf = (attachment: Attachment, params: unknown, urls: ReadonlyMap<string, string>): Halt => ({
  // The inspector's protocol.
  frames: (params as { readonly callFrames: ReadonlyArray<CallFrame> }).callFrames.map((frame) => ({
    id: frame.callFrameId,
    name: frame.functionName,
    url: urls.get(frame.location.scriptId) ?? "",
    line: frame.location.lineNumber + 1,
    column: (frame.location.columnNumber ?? 0) + 1
  })),
  evaluate: (frame, expression) =>
    Effect.map(
      attachment.post("Debugger.evaluateOnCallFrame", {
        callFrameId: frame.id,
        expression,
        returnByValue: true,
        silent: true
      }),
      // The inspector's protocol; an expression that throws has no value.
      (reply) => (reply as { readonly result?: { readonly value?: unknown } }).result?.value
    )
})

/** Who climbs a ladder waits for the stack, which is good to have and no more. */
const locatePatience = "500 millis"
const locateLimit = "3 seconds"

/** Where the worker is: its stack as text, in the form of an `Error`'s; none when it is idle or in native code. */
export const locate = (attachment: Attachment): Effect.Effect<Option.Option<string>> =>
  halt(attachment, locatePatience, ({ frames }) => Effect.succeed({ value: render(frames), end: false })).pipe(
    Effect.orElseSucceed(() => Option.none()),
    Effect.timeoutOption(locateLimit),
    Effect.map(Option.flatten),
    Effect.provideService(Clock.Clock, realClock)
  )

/** A stack as text, in the form of an `Error`'s. */
export const render = (frames: ReadonlyArray<Frame>): string =>
  frames
    .map(({ name, url, line, column }) => {
      const place = `${url === "" ? "<unknown>" : url}:${line}:${column}`
      return `    at ${name === "" ? "<anonymous>" : name} (${place})`
    })
    .join("\n")
