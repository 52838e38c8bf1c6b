import { Effect, Exit, Fiber, Scheduler } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PortScheduler } from "../src/internal/scheduler/portScheduler.ts"

let scheduler: PortScheduler
beforeAll(() => {
  scheduler = new PortScheduler()
})
afterAll(() => scheduler.close())

const run = <A>(effect: Effect.Effect<A>): Promise<A> =>
  Effect.runPromise(Effect.provideService(effect, Scheduler.Scheduler, scheduler))

/**
 * A fiber that waits until `wake` is called, then writes a note, and then waits for ever. The end of the fiber also
 * writes a note.
 */
const makeWaiting = (notes: Array<string>) =>
  Effect.gen(function* () {
    let wake: (() => void) | undefined
    const waiting = Effect.callback<void>((resume) => {
      wake = () => resume(Effect.void)
      return Effect.sync(() => notes.push("gave up waiting"))
    })
    const fiber = yield* Effect.andThen(
      waiting,
      Effect.sync(() => notes.push("went on"))
    ).pipe(
      Effect.andThen(Effect.never),
      Effect.ensuring(Effect.sync(() => notes.push("ended"))),
      Effect.forkChild({ startImmediately: true })
    )
    return { fiber, wake: () => wake?.() }
  })

describe("a woken fiber", () => {
  it("continues after the step that has woken it, and after the fibers that were woken before it", () =>
    run(
      Effect.gen(function* () {
        const notes: Array<string> = []
        const [first, second] = [yield* makeWaiting(notes), yield* makeWaiting(notes)]
        first.wake()
        second.wake()
        notes.push("woke them")
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        expect(notes).toEqual(["woke them", "went on", "went on"])
      })
    ))

  it("receives an interrupt that follows the wake-up after it has continued", () =>
    run(
      Effect.gen(function* () {
        const notes: Array<string> = []
        const { fiber, wake } = yield* makeWaiting(notes)
        wake()
        fiber.interruptUnsafe()
        expect(notes).toEqual([])
        expect(Exit.hasInterrupts(yield* Fiber.await(fiber))).toBe(true)
        expect(notes).toEqual(["went on", "ended"])
      })
    ))

  it("ignores a wake-up that follows an interrupt, which has ended it at once", () =>
    run(
      Effect.gen(function* () {
        const notes: Array<string> = []
        const { fiber, wake } = yield* makeWaiting(notes)
        fiber.interruptUnsafe()
        expect(notes).toEqual(["gave up waiting", "ended"])
        wake()
        expect(Exit.hasInterrupts(yield* Fiber.await(fiber))).toBe(true)
        expect(notes).toEqual(["gave up waiting", "ended"])
      })
    ))

  it("is interrupted at once by code outside of any fiber, too", async () => {
    const notes: Array<string> = []
    const { fiber } = await run(
      Effect.tap(makeWaiting(notes), ({ fiber }) =>
        Effect.sync(() => {
          setImmediate(() => {
            notes.push("an immediate")
            fiber.interruptUnsafe()
            notes.push("is over")
          })
        })
      ).pipe(Effect.tap(({ fiber }) => Effect.exit(Fiber.await(fiber))))
    )
    expect(fiber.pollUnsafe()).toBeDefined()
    expect(notes).toEqual(["an immediate", "gave up waiting", "ended", "is over"])
  })
})

/** The order in which a dispatcher runs tasks of two priorities, when a task schedules more tasks. */
const order = (dispatcher: Scheduler.SchedulerDispatcher): ReadonlyArray<string> => {
  const notes: Array<string> = []
  const add = (note: string, priority: number, then?: () => void) =>
    dispatcher.scheduleTask(() => {
      notes.push(note)
      then?.()
    }, priority)
  add("late", 10)
  add("first", 0, () => {
    add("first of the next batch", -1)
    add("last", 10)
    add("third of the next batch", 0)
  })
  add("second", 0)
  dispatcher.flush()
  return notes
}

describe("PortScheduler", () => {
  it("runs a whole batch before the tasks that were scheduled during the batch, like the scheduler of Effect", () => {
    expect(order(scheduler.makeDispatcher())).toEqual([
      "first",
      "second",
      "late",
      "first of the next batch",
      "third of the next batch",
      "last"
    ])
    expect(order(scheduler.makeDispatcher())).toEqual(order(new Scheduler.MixedScheduler().makeDispatcher()))
  })
})
