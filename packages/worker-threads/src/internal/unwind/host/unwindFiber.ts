/**
 * Ends synchronous code that blocks a worker outside sections. The worker is halted and its stack is judged. Then the code
 * is resumed or ended.
 */
import type { UnwindOutcome } from "@quiesce/core/adapter"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Attachment } from "../../inspector/attachment.ts"
import * as Debugger from "../../inspector/halt.ts"
import * as EffectInternals from "../../wire/effectInternals.ts"
import * as HandlerCall from "../../wire/handlerCall.ts"
import type { Heartbeat } from "../../wire/heartbeat.ts"
import type { Problem } from "../../inspector/inspectorProblem.ts"
import { inSection, key, otherTasks, passesOn, uninterruptible } from "../../wire/unwindContract.ts"
import { masked } from "./unwindSection.ts"

/** The limits of the first attempt. The ladder does not wait, and goes to the next rung at its time. */
export const searching: Debugger.Limits = { search: "2 seconds", patience: "2 seconds" }

/** The limits of a later attempt: one look, because the pauses between the attempts are the search. */
export const looking: Debugger.Limits = { search: 0, patience: "2 seconds" }

const idle: UnwindOutcome = { _tag: "Idle" }
const watch = `globalThis[${JSON.stringify(key)}]`

/**
 * Ends the running code of a task, if user code runs and all fibers on the stack belong to the task and are interruptible.
 * A halt takes tens of milliseconds, so it is for a worker with a blocked event loop.
 *
 * If the task has ended (`isOver`), no code is ended. The outcome has the stack of the halt.
 *
 * *Cancellation*: the worker resumes.
 */
export const unwindFiber = (
  attachment: Attachment,
  task: number,
  isOver: () => boolean,
  heartbeat?: Heartbeat,
  limits: Debugger.Limits = searching
): Effect.Effect<UnwindOutcome> =>
  Debugger.halt(
    attachment,
    limits,
    (first) =>
      Effect.gen(function* () {
        const halt = yield* outsideNode(first)
        const { value, end } = Option.isSome(halt) ? yield* judge(halt.value, task, isOver) : refused(goesOn)
        const { frames } = Option.getOrElse(halt, () => first)
        return { value: value._tag === "Idle" ? value : { ...value, stack: Debugger.render(frames) }, end }
      }),
    heartbeat
  ).pipe(
    Effect.map(Option.getOrElse(() => idle)),
    Effect.catch(({ why }: Problem) => Effect.succeed<UnwindOutcome>({ _tag: "Refused", why }))
  )

/**
 * The pauses between two attempts. Each pause is twice the pause before, because each halt delays the other tasks of the
 * worker. A look at a worker that takes messages needs no halt, so such a pause has a limit.
 */
const firstPauseMillis = 20
const longestIdleMillis = 1000

/**
 * Tries again until the task has ended, if no code of the task could be ended: a moment later blocking code may have begun,
 * and on a busy machine a loop may not have come to a halt in time. `outcome` is the outcome of the attempt before.
 *
 * *Cancellation*: no further attempt begins.
 */
export const retryUntilEnded = (
  outcome: UnwindOutcome,
  attempt: Effect.Effect<UnwindOutcome>,
  isOver: () => boolean
): Effect.Effect<UnwindOutcome> =>
  Effect.gen(function* () {
    let last = outcome
    let pause = firstPauseMillis
    while (isPassing(last)) {
      yield* Debugger.wait(pause)
      if (isOver()) return last
      last = yield* attempt
      pause = last._tag === "Idle" ? Math.min(pause * 2, longestIdleMillis) : pause * 2
    }
    return last
  })

const isPassing = (outcome: UnwindOutcome): boolean =>
  outcome._tag === "Idle" || (outcome._tag === "Refused" && passing.includes(outcome.why))

/** Modules of Node whose functions change nothing but their results. Some of them run for long. */
const harmless = ["node:internal/util/", "node:util", "node:internal/assert", "node:assert", "node:path", "node:url"]

const changesNode = ({ url }: Debugger.Frame): boolean =>
  url.startsWith("node:") && !harmless.some((module) => url.startsWith(module))

/** The most functions of Node in a row, on top of the user's code. */
const mostSteps = 32

/**
 * Lets functions of Node return that are on top of the stack. A function that is ended in the middle, such as one that
 * clears a timer, would leave Node's own lists broken, and later timers of the worker would never fire. None if the functions
 * do not return in time.
 */
export const outsideNode = (halt: Debugger.Halt): Effect.Effect<Option.Option<Debugger.Halt>, Problem> =>
  Effect.gen(function* () {
    let current = halt
    for (let steps = 0; steps < mostSteps; steps++) {
      const [top] = current.frames
      // Code of Node alone, such as the event loop's, returns to nobody.
      const isCalled = current.frames.some(({ url }) => !url.startsWith("node:"))
      if (top === undefined || !isCalled || !changesNode(top)) return Option.some(current)
      const next = yield* current.stepOut
      if (Option.isNone(next)) return next
      current = next.value
    }
    return Option.none()
  })

const judge = (
  halt: Debugger.Halt,
  task: number,
  isOver: () => boolean
): Effect.Effect<Debugger.Verdict<UnwindOutcome>, Problem> =>
  Effect.gen(function* () {
    const loops = halt.frames.filter(EffectInternals.isLoop)
    // The topmost frame may be in another realm, or have a local of the name `globalThis`.
    const base = loops[0] ?? halt.frames.at(-1)
    if (base === undefined) return refused(noFiber)
    const reply = yield* halt.evaluate(base, ofWatch("begin()"))
    const folders = foldersIn(reply)
    // Without the folders each frame of this toolkit would count as user code.
    if (folders === undefined) return refused(whyOf(reply))
    if (loops[0] === undefined) return refused(noFiber)
    const library = libraryOf(loops[0])
    const isToolkit = ({ url }: Debugger.Frame): boolean => folders.some((folder) => url.startsWith(folder))
    const steps = withoutHandlerCalls(halt.frames, isToolkit)
    if (!runsUserCode(steps, library) || hasUnfinishedStep(steps, library, isToolkit)) return refused(goesOn)
    if (yield* hasForeignEffect(halt, library, isToolkit)) return refused(twoEffects)
    for (const frame of loops) {
      const resumed = EffectInternals.resumption(halt.frames, frame)
      const seen = yield* halt.evaluate(resumed ?? frame, resumed === undefined ? addFiber : addResumedFiber)
      if (seen !== true) return refused(EffectInternals.unknownLocals)
    }
    for (const frame of halt.frames.filter(EffectInternals.startsMany)) {
      const inside = loops.filter((loop) => halt.frames.indexOf(loop) < halt.frames.indexOf(frame)).length
      const seen = yield* halt.evaluate(frame, `${watch}.addForked(${EffectInternals.startedFibers}, ${inside})`)
      if (seen !== true) return refused(EffectInternals.unknownLocals)
    }
    if (isOver()) return refused("the task has ended")
    const why = yield* halt.evaluate(base, ofWatch(`decide(${task})`))
    return why === null ? { value: { _tag: "Unwound" }, end: true } : refused(whyOf(why))
  })

/** Adds the fiber of a run loop to the guard's stack. */
const addFiber = `${watch}.addFiber(this), true`

/** The same for a fiber that was resumed in an async context. An expression that throws has no value. */
const addResumedFiber = `typeof ${EffectInternals.asyncContext} !== "undefined" && (${watch}.addFiber(this, ${EffectInternals.asyncContext}), true)`

/** A call of a method of the guard, or a text if the worker has no guard. */
const ofWatch = (call: string): string => `${watch} === undefined ? "it was not prepared" : ${watch}.${call}`

/** The folders in the reply of `begin`; undefined for any other reply. */
const foldersIn = (reply: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(reply) && reply.length > 0 && reply.every((one) => typeof one === "string") ? reply : undefined

const whyOf = (reply: unknown): string => (typeof reply === "string" ? reply : notSeen)

const notSeen = "it could not be looked at"
const twoEffects =
  "a step of another copy of effect is on the stack, which can't be told from the task's own code. Keep effect out of the worker's bundle"
const noFiber = "what runs is not a fiber"
const goesOn = "it is about to go on by itself"
/** Code that has used up the stack leaves no room to look at it, until it has returned from some of its calls. */
const passing = [notSeen, noFiber, goesOn, otherTasks, uninterruptible, inSection, masked, Debugger.deaf]

const refused = (why: string): Debugger.Verdict<UnwindOutcome> => ({ value: { _tag: "Refused", why }, end: false })

/** The folder of Effect's modules. */
const libraryOf = (loop: Debugger.Frame): string => loop.url.replace(EffectInternals.fiberModule, "")

/** The stack without the frames that only call a handler: those from `callHandler` outwards to the run loop of the fiber. */
const withoutHandlerCalls = (
  frames: ReadonlyArray<Debugger.Frame>,
  isToolkit: (frame: Debugger.Frame) => boolean
): ReadonlyArray<Debugger.Frame> => {
  let isInCall = false
  return frames.filter((frame) => {
    if (EffectInternals.isLoop(frame)) isInCall = false
    else if (frame.name === HandlerCall.frameName && isToolkit(frame)) isInCall = true
    return !isInCall
  })
}

/** Whether the innermost fiber is in code of the user. A step of Effect must not be ended in the middle. */
const runsUserCode = (frames: ReadonlyArray<Debugger.Frame>, library: string): boolean =>
  frames
    .slice(0, frames.findIndex(EffectInternals.isLoop))
    .some(({ url }) => url !== "" && !url.startsWith("node:") && !url.startsWith(library))

/** Whether a second copy of Effect is on the stack. A step of that copy must not be ended in the middle, either. */
const hasForeignEffect = (
  halt: Debugger.Halt,
  library: string,
  isToolkit: (frame: Debugger.Frame) => boolean
): Effect.Effect<boolean, Problem> =>
  Effect.gen(function* () {
    const foreign = halt.frames.filter((frame) => !frame.url.startsWith(library) && !isToolkit(frame))
    if (foreign.some(EffectInternals.isStep)) return true
    for (const frame of foreign.filter(EffectInternals.mayBeForeignLoop)) {
      if ((yield* halt.evaluate(frame, EffectInternals.isFiberFrame)) !== false) return true
    }
    return false
  })

/**
 * Whether Effect has called a step of this toolkit that is not finished: inside the innermost fiber, between two fibers, or
 * at the end of a fiber. Such a step must not be ended in the middle: it may have removed a finalizer from its stack, or
 * notified only some of the waiters. A frame of this toolkit without Effect outside it has only started or resumed a fiber.
 */
const hasUnfinishedStep = (
  frames: ReadonlyArray<Debugger.Frame>,
  library: string,
  isToolkit: (frame: Debugger.Frame) => boolean
): boolean => {
  const outermost = frames.findLastIndex(({ url }) => url.startsWith(library))
  return frames.slice(0, outermost).some((frame) => isToolkit(frame) && !passesOn.includes(frame.name))
}
