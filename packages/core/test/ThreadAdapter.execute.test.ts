import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Thread, ThreadAdapter } from "@quiesce/core"
import { Context, Effect, Exit, Fiber, Option } from "effect"
import { failureTag, messages, settle } from "./support.ts"

const now = { startImmediately: true } as const

/** The controls of a remote thread that reacts to an interrupt only. */
const controls = (onInterrupt: (reason: CancelReason.CancelReason) => void = () => {}): ThreadAdapter.Controls => ({
  requestStop: () => Effect.void,
  requestInterrupt: (reason) => Effect.sync(() => onInterrupt(reason)),
  raise: () => Effect.succeed(false),
  unwind: Option.none(),
  kill: Option.none(),
  locate: Effect.succeedNone
})

describe("ThreadAdapter.spawn", () => {
  it.effect("of a thread that ends before it was a child, leaves the other children where they are", () =>
    Effect.gen(function* () {
      let released = 0
      const sibling = Effect.ensuring(
        Effect.never,
        Effect.sync(() => released++)
      )
      const parent = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* Thread.spawn(sibling, now)
          yield* Thread.spawn(sibling, now)
          const early = yield* ThreadAdapter.spawn<number, never, never, never>((cell) => {
            cell.settle(Exit.succeed(1))
            return Effect.succeed(controls())
          })
          return yield* Thread.join(early)
        })
      )
      expect(yield* Thread.join(parent)).toBe(1)
      expect(released).toBe(2)
    })
  )
})

describe("ThreadAdapter.execute", () => {
  it.effect("gives the value, at once or later", () =>
    Effect.gen(function* () {
      const atOnce = ThreadAdapter.execute<number, never>((cell) => {
        cell.settle(Exit.succeed(1))
        return controls()
      })
      const later = ThreadAdapter.execute<number, string>((cell) => {
        queueMicrotask(() => cell.settle(Exit.fail("no")))
        return controls()
      })
      expect(yield* atOnce).toBe(1)
      expect(yield* Effect.flip(later)).toBe("no")
    })
  )

  it.effect("interrupted, interrupts the thread for the same reason and waits for its end", () =>
    Effect.gen(function* () {
      const heard: Array<string> = []
      let end: (() => void) | undefined
      const fiber = yield* Effect.forkChild(
        ThreadAdapter.execute<never, never>((cell) => {
          end = () => cell.settle(Exit.interrupt())
          return controls((reason) => heard.push(reason.message))
        }),
        now
      )
      yield* Effect.sync(() =>
        fiber.interruptUnsafe(undefined, CancelReason.toAnnotations(CancelReason.interrupted("enough")))
      )
      yield* settle
      expect([heard, fiber.pollUnsafe()]).toEqual([["enough"], undefined])
      end?.()
      expect(messages(yield* Fiber.await(fiber))).toEqual(["enough"])
    })
  )

  it.effect("ends with the surrounding thread", () =>
    Effect.gen(function* () {
      const parent = yield* Thread.spawn(
        ThreadAdapter.execute<never, never>((cell) => controls(() => cell.settle(Exit.interrupt()))),
        now
      )
      yield* Thread.interrupt(parent, CancelReason.interrupted("enough"))
      expect(messages(yield* Thread.await(parent))).toEqual(["enough"])
    })
  )
})

describe("ThreadAdapter.spawnBelow", () => {
  it.effect("runs a child at once until its parent ends, and starts nothing below an ended parent", () =>
    Effect.gen(function* () {
      let released = false
      const parent = yield* Thread.spawn(Effect.never, now)
      const spawn = ThreadAdapter.spawnBelow(parent, Context.empty())
      const body = Effect.ensuring(
        Effect.never,
        Effect.sync(() => (released = true))
      )
      const child = yield* spawn(() => body, Context.empty(), "child")
      expect([child.name, child.parent]).toEqual(["child", parent])
      yield* Thread.interrupt(parent)
      expect([released, yield* Thread.isAlive(child)]).toEqual([true, false])
      expect(yield* failureTag(spawn(() => body, Context.empty(), "late"))).toBe("ScopeClosed")
    })
  )
})
