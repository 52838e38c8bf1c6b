/**
 * Halts a worker's code for a moment, to read its stack and to judge it.
 *
 * Only a worker with a blocked event loop is halted. Such a worker uses no connection to the inspector of its own, as the
 * host of other workers does. A halt inside the callback of such a connection wedges the worker for good: Node handles no
 * further message of the inspector there, so that neither a resume nor a termination ends the thread. And if the callback
 * interrupts a function at its entry, V8 aborts the whole process when it looks at that function's scope.
 *
 * Invariants:
 * 1. The debugger is enabled only during a halt, so that a worker never halts for a `debugger` statement of its own.
 * 2. The worker always resumes, also if the caller is cancelled, because disabling the debugger resumes the worker.
 * 3. A worker that has taken a message since the last request to it gets no further request to halt.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Attachment } from "./attachment.ts"
import * as Heartbeat from "../wire/heartbeat.ts"
import * as StringifyFastPath from "../wire/stringifyFastPath.ts"
import { problem, type Problem } from "./inspectorProblem.ts"

/** A frame of the stack. Stacks begin with the innermost frame. Lines and columns count from 1. */
export interface Frame {
  readonly id: string
  readonly name: string
  readonly url: string
  readonly line: number
  readonly column: number
}

/** A halted worker. */
export interface Halt {
  readonly frames: ReadonlyArray<Frame>
  /** Evaluates an expression in a frame. The value must be plain data. */
  readonly evaluate: (frame: Frame, expression: string) => Effect.Effect<unknown, Problem>
  /** Lets the innermost function return, and halts in its caller. None if that takes too long: the worker runs then. */
  readonly stepOut: Effect.Effect<Option.Option<Halt>, Problem>
}

/** The result of a judgement: the code resumes, or is ended where it halted. */
export interface Verdict<A> {
  readonly value: A
  readonly end: boolean
}

/** The limit for a whole halt. A worker in native code replies only after the native call. */
const limit = "5 seconds"

/** The problem if the limit passes. An idle worker would reply at once. */
export const deaf = "the engine did not answer in time: the running code looks at no request, or the machine is busy"

/** The real clock, because the worker does not follow a test's clock. */
const realClock = Context.get(Context.empty(), Clock.Clock)

/** Waits for real milliseconds. */
export const wait = (millis: number): Effect.Effect<void> =>
  Effect.provideService(Effect.sleep(millis), Clock.Clock, realClock)

/** The limits of a halt. */
export interface Limits {
  /** How long to look for a blocked event loop. Zero: one look. */
  readonly search: Duration.Input
  /** How long a blocked worker may take to come to a halt. On a busy machine a looping thread notices the request late. */
  readonly patience: Duration.Input
}

/**
 * Halts the worker and judges its stack. The result is none if no JavaScript blocked the event loop, or if the worker did
 * not come to a halt in time. Fails if the worker is gone or does not reply. No timer is left then.
 */
export const halt = <A>(
  attachment: Attachment,
  { search, patience }: Limits,
  judge: (halt: Halt) => Effect.Effect<Verdict<A>, Problem>,
  heartbeat: Heartbeat.Heartbeat = Heartbeat.none
): Effect.Effect<Option.Option<A>, Problem> =>
  Effect.gen(function* () {
    const end = performance.now() + Duration.toMillis(search)
    for (;;) {
      const isAlive = heartbeat()
      if (yield* isBlocked(isAlive)) {
        const halted = yield* haltBlocked(attachment, { isAlive, millis: Duration.toMillis(patience) }, judge)
        if (Option.isSome(halted)) return halted
      }
      if (performance.now() + repeatMillis > end) return Option.none()
      yield* Effect.sleep(repeatMillis)
    }
  }).pipe(Effect.raceFirst(attachment.whenGone), Effect.provideService(Clock.Clock, realClock))

/**
 * How long a worker takes no message before it is halted, in milliseconds. The start of the debugger takes longer.
 *
 * Before version 13 (Node 22), V8 may abort the process if a worker is halted while V8 optimizes a function that calls the
 * halted function. A busy loop is optimized in its first tens of milliseconds: 3 of some 2,000 halts in the first 50 ms
 * aborted the process, and none of 1,300 halts after 150 ms and more. So the wait makes the abort rarer, and may not exclude it.
 */
const beatMillis = Number.parseInt(process.versions.v8) < 13 ? 150 : 5

const isBlocked = (isAlive: () => boolean): Effect.Effect<boolean> =>
  Effect.map(
    Effect.repeat(Effect.sync(isAlive), { until: Boolean, times: beatMillis, schedule: Schedule.spaced(1) }),
    () => !isAlive()
  )

/** How long to wait for a halt, and whether the worker has taken a message meanwhile. */
interface Patience {
  readonly millis: number
  readonly isAlive: () => boolean
}

const haltBlocked = <A>(
  attachment: Attachment,
  patience: Patience,
  judge: (halt: Halt) => Effect.Effect<Verdict<A>, Problem>
): Effect.Effect<Option.Option<A>, Problem> =>
  attachment.exclusive.withPermit(
    counted(attachment, haltAndJudge(attachment, patience, judge)).pipe(
      // Without a wait, because a worker in native code replies only after the native call.
      Effect.ensuring(Effect.sync(() => attachment.send("Debugger.disable"))),
      Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.fail(problem(deaf)) })
    )
  )

/** A request to halt is answered before the worker halts, so the answer is not enough to wait for. */
const counted = <A, E>(attachment: Attachment, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      attachment.halts++
      return StringifyFastPath.turnOff()
    }),
    () => effect,
    (turnOn) =>
      Effect.sync(() => {
        attachment.halts--
        turnOn()
      })
  )

const haltAndJudge = <A>(
  attachment: Attachment,
  patience: Patience,
  judge: (halt: Halt) => Effect.Effect<Verdict<A>, Problem>
): Effect.Effect<Option.Option<A>, Problem> =>
  Effect.gen(function* () {
    const urls = yield* enable(attachment)
    const paused = yield* pause(attachment, patience)
    if (Option.isNone(paused)) return Option.none()
    const { value, end } = yield* judge(haltOf(attachment, paused.value, urls))
    // A worker that runs already takes no resume.
    yield* end ? resume(attachment, end) : Effect.ignore(resume(attachment, end))
    return Option.some(value)
  })

/**
 * Returns the URLs of all scripts by their ids, because the frames of a stack lack the URLs.
 *
 * The worker may still be in the halt before this one. It then reports the halt, and accepts no other request to halt until
 * it has resumed.
 */
const enable = (attachment: Attachment): Effect.Effect<ReadonlyMap<string, string>, Problem> =>
  Effect.suspend(() => {
    const urls = new Map<string, string>()
    const resumed = Deferred.makeUnsafe<void>()
    let halted = false
    const stops = [
      attachment.listen("Debugger.scriptParsed", (params) => {
        // The shape is from the inspector's protocol.
        const { scriptId, url } = params as { readonly scriptId: string; readonly url: string }
        urls.set(scriptId, url)
      }),
      attachment.listen("Debugger.paused", () => (halted = true)),
      attachment.listen("Debugger.resumed", () => Deferred.doneUnsafe(resumed, Effect.void))
    ]
    // The request is refused if the worker has resumed by itself.
    const goOn = Effect.andThen(Effect.ignore(attachment.post("Debugger.resume")), Deferred.await(resumed))
    return attachment
      .post("Debugger.enable")
      .pipe(
        Effect.andThen(Effect.suspend(() => (halted ? goOn : Effect.void))),
        Effect.as(urls),
        Effect.ensuring(Effect.sync(() => stops.forEach((stop) => stop())))
      )
  })

/** The limit on the wait for the event of the resume. Without the event the worker resumes, too. */
const resumePatience = "1 second"

/** Completes when the worker has resumed. The engine would ignore a request to halt before that. */
const resume = (attachment: Attachment, end: boolean): Effect.Effect<unknown, Problem> =>
  requested(attachment, "Debugger.resume", { terminateOnResume: end }, "Debugger.resumed", resumePatience)

/** The limit on the wait for the return of one function. */
const stepPatience = "500 millis"

const stepOut = (attachment: Attachment): Effect.Effect<Option.Option<unknown>, Problem> =>
  requested(attachment, "Debugger.stepOut", {}, "Debugger.paused", stepPatience)

/** Sends a request, and waits for the event that comes of it. None if the event does not come in time. */
const requested = (
  attachment: Attachment,
  method: string,
  params: Readonly<Record<string, unknown>>,
  event: string,
  patience: Duration.Input
): Effect.Effect<Option.Option<unknown>, Problem> =>
  Effect.suspend(() => {
    const arrived = Deferred.makeUnsafe<unknown>()
    const stop = attachment.listen(event, (content) => Deferred.doneUnsafe(arrived, Effect.succeed(content)))
    return attachment
      .post(method, params)
      .pipe(Effect.andThen(Effect.timeoutOption(Deferred.await(arrived), patience)), Effect.ensuring(Effect.sync(stop)))
  })

/** The pause between two requests to halt. */
const repeatMillis = 50

/**
 * Requests a halt again and again, because the engine drops a request that arrives at the end of the stack. The worker
 * replies to a request after the event of its halt, so no halt is missed while its long stack is on the way.
 */
const pause = (attachment: Attachment, { isAlive, millis }: Patience): Effect.Effect<Option.Option<unknown>, Problem> =>
  Effect.suspend(() => {
    const paused = Deferred.makeUnsafe<unknown>()
    const stop = attachment.listen("Debugger.paused", (params) => Deferred.doneUnsafe(paused, Effect.succeed(params)))
    const request = Effect.suspend(() =>
      isAlive()
        ? Effect.succeedNone
        : Effect.andThen(attachment.post("Debugger.pause"), Effect.timeoutOption(Deferred.await(paused), repeatMillis))
    )
    return Effect.ensuring(
      Effect.repeat(request, {
        until: (halted) => Option.isSome(halted) || isAlive(),
        times: Math.ceil(millis / repeatMillis) - 1
      }),
      Effect.sync(stop)
    )
  })

interface CallFrame {
  readonly callFrameId: string
  readonly functionName: string
  readonly location: { readonly scriptId: string; readonly lineNumber: number; readonly columnNumber?: number }
}

const haltOf = (attachment: Attachment, params: unknown, urls: ReadonlyMap<string, string>): Halt => ({
  // The shape is from the inspector's protocol.
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
      // The shape is from the inspector's protocol. An expression that throws has no value.
      (reply) => (reply as { readonly result?: { readonly value?: unknown } }).result?.value
    ),
  stepOut: Effect.map(
    stepOut(attachment),
    Option.map((paused) => haltOf(attachment, paused, urls))
  )
})

/** A ladder waits for the stack, so the limits are short. */
const locateLimits: Limits = { search: "500 millis", patience: "500 millis" }
const locateLimit = "3 seconds"

/** The stack of the worker as text; none if the event loop takes messages or the worker is in native code. */
export const locate = (attachment: Attachment, heartbeat?: Heartbeat.Heartbeat): Effect.Effect<Option.Option<string>> =>
  halt(attachment, locateLimits, ({ frames }) => Effect.succeed({ value: render(frames), end: false }), heartbeat).pipe(
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
