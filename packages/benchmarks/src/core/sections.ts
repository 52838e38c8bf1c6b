/** Sections of fibers: their cost without and with a deadline, and how late they are ended. */
import { setImmediate } from "node:timers/promises"
import { Script } from "node:vm"
import { Blocking, Deadline, StopToken, Thread } from "@quiesce/core"
import { Effect } from "effect"
import { type Comparison, type Measure, median } from "../Comparison.ts"

const turns = 1000

/** Microseconds for one of many runs of an effect in the body of a thread. */
const each =
  <E>(times: number, effect: Effect.Effect<unknown, E>): Measure =>
  () => {
    const repeated = Effect.suspend(() => {
      let left = times
      const start = performance.now()
      return Effect.map(
        Effect.whileLoop({ while: () => left-- > 0, body: () => effect, step: () => {} }),
        () => ((performance.now() - start) * 1e3) / times
      )
    })
    return Effect.runPromise(Effect.scoped(Effect.flatMap(Thread.spawn(repeated), Thread.join)))
  }

/** A thousand turns of arithmetic. */
const work = (): number => {
  let sum = 0
  for (let turn = 0; turn < turns; turn++) sum = (sum * 31 + turn) | 0
  return sum
}

const section = Blocking.interruptible(work)

/** The steps of a section without anything that could end it. */
const bare = Effect.flatMap(StopToken.current, () => Effect.sync(work))

/** The same deadline around the same work. */
const within = <A, E>(effect: Effect.Effect<A, E>) => Deadline.within(effect, "1 minute")

const limit = 5

/** The clock of deadlines counts whole milliseconds. */
const due = (): number => Math.floor(performance.timeOrigin + performance.now()) + limit

const since = (time: number): number => performance.timeOrigin + performance.now() - time

const endless = (): never => {
  for (;;);
}

/** Milliseconds from the deadline until the failure of `within`, in the median of some busy sections. */
const overshoot: Measure = async () => {
  const late: Array<number> = []
  for (let round = 0; round < 25; round++) {
    const ended = Effect.suspend(() => {
      const time = due()
      const failed = Effect.exit(Deadline.within(Blocking.interruptible(endless), limit))
      return Effect.map(failed, () => since(time))
    })
    late.push(await Effect.runPromise(Effect.scoped(Effect.flatMap(Thread.spawn(ended), Thread.join))))
  }
  return median(late)
}

/** The same of a script under a limit of the platform alone, which is not earlier than the deadline either. */
const bareOvershoot: Measure = async () => {
  const late: Array<number> = []
  const script = new Script("for (;;);")
  for (let round = 0; round < 25; round++) {
    await setImmediate()
    const time = due()
    try {
      script.runInThisContext({ timeout: limit + 1 })
    } catch {
      late.push(since(time))
    }
  }
  return median(late)
}

export const comparisons: ReadonlyArray<Comparison> = [
  {
    id: "section-without-deadline",
    unit: "us each, beside a token and plain code",
    ours: each(20_000, section),
    peer: each(20_000, bare),
    direction: "at most",
    target: 1.5
  },
  {
    // Without a target: the cost is a thread of the platform.
    id: "section-with-deadline",
    unit: "us each, under a deadline, beside plain code under a deadline",
    ours: each(500, within(section)),
    peer: each(500, within(Effect.sync(work))),
    direction: "at most"
  },
  {
    id: "section-overshoot",
    unit: "ms from the deadline to the end of a busy section, beside a script of node:vm",
    ours: overshoot,
    peer: bareOvershoot,
    direction: "at most",
    target: 2
  }
]
