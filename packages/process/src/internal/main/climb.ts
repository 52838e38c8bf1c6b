/**
 * Climbs the ladder with a program.
 *
 * The program is a thread on a fiber, which has the rungs `stop` and `interrupt`. On the rungs `unwind` and `kill`, the
 * threads below that have these rungs are ended: the tasks of workers. After the last rung the program gets the rest of
 * the time, and is then given up: its remaining leases are released, and it is abandoned.
 *
 * Invariants:
 * 1. Rungs are climbed in order, and none twice. A rung that no thread of the tree has is left out.
 * 2. The climb is over within the time of the ladder and its reserve, also if `next` goes up before the grace is over.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Adapter from "@quiesce/core/adapter"
import { uninterruptibleIn } from "@quiesce/core/internal"
import type { CancelReason } from "@quiesce/core/CancelReason"
import type { Rung, Step } from "@quiesce/core/Escalation"
import type { Attempt, ShutdownReport } from "@quiesce/core/ShutdownReport"
import * as Thread from "@quiesce/core/Thread"
import type { Ladder } from "./settings.ts"

/** A rung that was asked, in milliseconds since the climb began. */
interface Asked {
  readonly rung: Rung
  readonly at: number
}

export class Climb {
  readonly reason: CancelReason
  private readonly thread: Thread.Thread.Any
  private readonly ladder: Ladder
  private readonly gaveUp: (end: GivenUp) => void
  private readonly startedAt = performance.now()
  private readonly asked: Array<Asked> = []
  /** The place of the rung that was asked last. */
  private place = -1
  private fiber: Fiber.Fiber<void> | undefined = undefined

  constructor(thread: Thread.Thread.Any, ladder: Ladder, reason: CancelReason, gaveUp: (end: GivenUp) => void) {
    this.thread = thread
    this.ladder = ladder
    this.reason = reason
    this.gaveUp = gaveUp
  }

  /** Goes up a rung at once, and gives the rung; undefined if no higher rung is available. */
  next(): Rung | undefined {
    const { steps } = this.ladder
    const place = steps.findIndex((step, index) => index > this.place && this.has(step.rung))
    if (place < 0) return undefined
    this.fiber?.interruptUnsafe()
    this.fiber = Effect.runFork(this.from(place))
    return steps[place]!.rung
  }

  /** The time that is left until the program is given up, in milliseconds. */
  get left(): number {
    return Math.max(0, this.ladder.millis - this.elapsed)
  }

  private get elapsed(): number {
    return performance.now() - this.startedAt
  }

  private from(place: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { steps } = this.ladder
      for (const [index, step] of steps.entries()) {
        if (index < place || !this.has(step.rung)) continue
        this.place = index
        this.asked.push({ rung: step.rung, at: Math.round(this.elapsed) })
        yield* this.ask(step.rung, steps.slice(index))
        if (yield* endsWithin(this.thread, step.grace)) return
      }
      if (yield* endsWithin(this.thread, this.left)) return
      const before = Math.round(this.elapsed)
      const end = yield* giveUp(this.thread, this.ladder, this.reason)
      this.gaveUp({ ...end, report: withClimb(end.report, this.asked, before) })
    })
  }

  private has(rung: Rung): boolean {
    return rung === "stop" || rung === "interrupt" || this.holders(rung).length > 0
  }

  /** The threads below that have a rung by force. */
  private holders(rung: "unwind" | "kill"): ReadonlyArray<Thread.Thread.Any> {
    return Adapter.withDescendants(this.thread).filter((thread) => {
      const { kill, unwind } = Adapter.controlsOf(thread)
      return rung === "kill" ? Option.isSome(kill) : Option.isSome(unwind)
    })
  }

  private ask(rung: Rung, steps: ReadonlyArray<Step>): Effect.Effect<void> {
    const { reason, thread } = this
    if (rung === "stop") return Thread.stop(thread, { reason })
    if (rung === "interrupt") return Thread.interruptFork(thread, { reason })
    const escalation = Object.fromEntries(steps.map(({ grace, rung }) => [rung, grace]))
    const ends = this.holders(rung).map((holder) => Thread.shutdown(holder, { escalation, reason }))
    return Effect.asVoid(Effect.forkDetach(Effect.all(ends, { concurrency: "unbounded", discard: true })))
  }
}

/** The end of a program that was given up. */
export interface GivenUp {
  readonly report: ShutdownReport
  /** The names of the threads whose bodies were in uninterruptible code at the end. */
  readonly uninterruptible: ReadonlyArray<string>
}

/** Gives up a program that has used its time. */
export const giveUp = (thread: Thread.Thread.Any, { reserve }: Ladder, reason: CancelReason): Effect.Effect<GivenUp> =>
  Effect.suspend(() => {
    const uninterruptible = uninterruptibleIn(thread)
    // The remaining releases get the grace once more.
    const ended = Thread.shutdown(thread, { escalation: { interrupt: reserve / 2 }, reason })
    return Effect.map(ended, (report) => ({ report, uninterruptible }))
  })

/** The report of the last shutdown, which began `before` milliseconds after the climb, as the report of the whole climb. */
const withClimb = (report: ShutdownReport, asked: ReadonlyArray<Asked>, before: number): ShutdownReport => ({
  ...report,
  startedAt: report.startedAt - before,
  millis: report.millis + before,
  attempts: [
    ...asked.map(({ at, rung }, index): Attempt => {
      const millis = (asked[index + 1]?.at ?? before) - at
      return { _tag: "Outwaited", rung, at, millis, stack: null, finalizer: null, why: null }
    }),
    ...report.attempts.map((attempt) => ({ ...attempt, at: attempt.at + before }))
  ]
})

/** Whether a thread ends in time. */
export const endsWithin = (thread: Thread.Thread.Any, millis: number): Effect.Effect<boolean> => {
  const ended = Effect.as(Thread.await(thread), true)
  return millis === Infinity ? ended : Effect.map(Effect.timeoutOption(ended, millis), Option.isSome)
}
