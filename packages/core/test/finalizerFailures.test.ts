/** The failure of a finalizer beside the interruption of its work, in the combinators that end a part of a thread. */
import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Deadline, Thread } from "@quiesce/core"
import { Cause, Deferred, Effect, Exit, Option, Schema } from "effect"

class Nudge extends Schema.TaggedError<Nudge>()("Nudge", {}) {}

const now = { startImmediately: true } as const

/** Work whose release fails with an error of its type. */
const work = Effect.acquireUseRelease(
  Effect.void,
  () => Effect.never,
  () => Effect.fail("flush failed")
)

const parts = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> =>
  Exit.isSuccess(exit)
    ? ["Success"]
    : exit.cause.reasons.map((reason) => (Cause.isFailReason(reason) ? reason.error : reason._tag))

type End = (thread: Thread.Thread<unknown, unknown>) => Effect.Effect<unknown>

const rows: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>, End, ReadonlyArray<unknown>]> = [
  ["alone, after an interrupt", work, Thread.interrupt, ["Interrupt", "flush failed"]],
  ["under untilStopped, after a stop", Thread.untilStopped(work), Thread.stop, ["flush failed"]],
  [
    "under untilStopped, after an interrupt",
    Thread.untilStopped(work),
    Thread.interrupt,
    ["Interrupt", "flush failed"]
  ],
  ["under receive, after an interrupt", Thread.receive(work, Nudge), Thread.interrupt, ["Interrupt", "flush failed"]],
  [
    "under a deadline, after an interrupt",
    work.pipe(Deadline.within("1 hour")),
    Thread.interrupt,
    ["Interrupt", "flush failed"]
  ]
]

describe("the failure of a finalizer is in the exit", () => {
  for (const [name, effect, end, expected] of rows) {
    it.live(name, () =>
      Effect.gen(function* () {
        const thread = yield* Thread.spawn(effect, now)
        yield* end(thread)
        expect([...new Set(parts(yield* Thread.await(thread)))]).toEqual(expected)
      }).pipe(Effect.scoped)
    )
  }

  it.live("under receive, the failure of a finalizer after a raise is in the exit beside the raised error", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Thread.receive(work, Nudge), now)
      yield* Thread.raise(thread, new Nudge())
      expect(parts(yield* Thread.await(thread))).toEqual([new Nudge(), "flush failed"])
    }).pipe(Effect.scoped)
  )
})

it.live("a defect of a finalizer under untilStopped leaves an interrupted thread interrupted, with its reason", () =>
  Effect.gen(function* () {
    const seen: Array<string | undefined> = []
    const broken = Effect.ensuring(Effect.never, Effect.die("boom"))
    const body = Thread.untilStopped(broken).pipe(
      Effect.onExit((exit) => Effect.sync(() => seen.push(Option.getOrUndefined(CancelReason.fromExit(exit))?.message)))
    )
    const thread = yield* Thread.spawn(body, now)
    yield* Thread.interrupt(thread, { reason: CancelReason.shutdown({ message: "Closing time" }) })
    const exit = yield* Thread.await(thread)
    expect([seen, Exit.hasInterrupts(exit), Exit.hasDies(exit)]).toEqual([["Closing time"], true, true])
  }).pipe(Effect.scoped)
)

it.live("a thread whose name is no text has the text of the name, and its children end with it", () =>
  Effect.gen(function* () {
    const child = yield* Deferred.make<Thread.Thread<never>>()
    const body = Effect.flatMap(Thread.spawn(Effect.never, now), (thread) => Deferred.succeed(child, thread))
    const parent = yield* Thread.spawn(body, { name: Symbol("x") as never })
    yield* Thread.await(parent)
    expect(parent.name).toBe("Symbol(x)")
    expect(yield* Thread.isAlive(yield* Deferred.await(child))).toBe(false)
  }).pipe(Effect.scoped)
)
