/** An adapter with a fault affects neither other threads nor their waiters, and the fault is reported. */
import { describe, expect, it } from "@effect/vitest"
import { Thread } from "@quiesce/core"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Cause, Effect, Exit, Option, References } from "effect"
import { vi } from "vitest"
import { endsIn, settle } from "./support.ts"

const fault = new Error("the adapter has a fault")

const controls: ThreadAdapter.Controls = {
  requestStop: () => Effect.void,
  requestInterrupt: () => Effect.void,
  raise: () => Effect.succeed(false),
  unwind: Option.none(),
  kill: Option.none(),
  locate: Effect.succeedNone
}

const throws = (): never => {
  throw fault
}

const faults: ReadonlyArray<readonly [string, Partial<ThreadAdapter.Controls>]> = [
  ["throws at an interrupt", { requestInterrupt: throws }],
  ["throws at an interrupt in one step", { interruptUnsafe: throws }],
  ["dies at an interrupt", { requestInterrupt: () => Effect.die(fault) }],
  ["throws at a stop", { requestStop: throws }],
  ["dies at a stop", { requestStop: () => Effect.die(fault) }],
  ["dies at a kill", { kill: Option.some(() => Effect.die(fault)) }],
  ["throws at a kill", { kill: Option.some(throws) }]
]

/** The rungs of all threads below, which therefore end in one climb. */
const escalation = { stop: "1 millis", interrupt: "1 millis", kill: "1 millis" } as const

describe.each(faults)("an adapter that %s", (_, broken) => {
  it.effect(
    "does not prevent the end of siblings with the same escalation, and its error is in the exit of the parent",
    () =>
      Effect.gen(function* () {
        const ended: Array<string> = []
        const sibling = (name: string) =>
          Thread.spawn(
            Effect.ensuring(
              Effect.never,
              Effect.sync(() => ended.push(name))
            ),
            { escalation, startImmediately: true }
          )
        const parent = yield* Thread.spawn(
          Effect.gen(function* () {
            yield* sibling("before")
            yield* ThreadAdapter.spawn<never, never, never, never>(() => Effect.succeed({ ...controls, ...broken }), {
              escalation
            })
            yield* sibling("after")
          })
        )
        const exit = yield* endsIn(Thread.await(parent), "1 minute")
        expect(ended.toSorted()).toEqual(["after", "before"])
        const defects = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isDieReason) : []
        expect(defects.map(({ defect }) => defect)).toContain(fault)
      }).pipe(Effect.provideService(References.UnhandledLogLevel, undefined))
  )
})

describe("an adapter that dies while it searches for the stack", () => {
  it.effect("prevents no step of the shutdown, and its error is in the exit", () =>
    Effect.gen(function* () {
      const thread = yield* ThreadAdapter.spawn<never, never, never, never>(
        () => Effect.succeed({ ...controls, locate: Effect.die(fault) }),
        { escalation }
      )
      const exit = yield* endsIn(Effect.exit(Thread.shutdown(thread)), "1 minute")
      expect(yield* Thread.isAlive(thread)).toBe(false)
      const defects = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isDieReason) : []
      expect(defects.map(({ defect }) => defect)).toContain(fault)
    }).pipe(Effect.provideService(References.UnhandledLogLevel, undefined))
  )
})

describe("an observer of a thread's exit that throws", () => {
  it.effect("does not affect other observers, and causes an uncaught error", () =>
    Effect.gen(function* () {
      const uncaught: Array<unknown> = []
      const later = queueMicrotask
      vi.stubGlobal("queueMicrotask", (f: () => void) =>
        later(() => {
          try {
            f()
          } catch (error) {
            uncaught.push(error)
          }
        })
      )
      const exits: Array<Exit.Exit<unknown, unknown>> = []
      const thread = yield* Thread.spawn(Effect.succeed(1))
      ThreadAdapter.onExit(thread, throws)
      ThreadAdapter.onExit(thread, (exit) => exits.push(exit))
      expect(yield* Thread.join(thread)).toBe(1)
      yield* settle
      expect(exits).toEqual([Exit.succeed(1)])
      expect(uncaught).toEqual([fault])
    }).pipe(Effect.ensuring(Effect.sync(() => vi.unstubAllGlobals())))
  )
})
