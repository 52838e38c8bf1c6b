import { describe, expect, it } from "@effect/vitest"
import { Blocking, CancelReason, Abort, StopToken, Thread, ThreadError } from "@quiesce/core"
import { Cause, Effect, Exit, Fiber, Schema } from "effect"
import { defectTag, settle } from "./support.ts"

const now = { startImmediately: true } as const

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const throwing = (key: string, target: object = {}): object =>
  Object.defineProperty(target, key, {
    get: () => {
      throw new Error(`${key} can't be read`)
    }
  })

const hostile: ReadonlyArray<readonly [string, unknown]> = [
  ["a revoked proxy", revoked()],
  ["a proxy of an error that throws for each step", new Proxy(new Error("inner"), throwing("get"))],
  ["an object without a prototype whose message throws", throwing("message", Object.create(null))],
  ["an error whose message throws", throwing("message", new Error("inner"))],
  ["an error whose name throws", throwing("name", new Error("inner"))],
  ["an object whose tag throws", throwing("_tag")],
  ["a reason whose message throws", throwing("message", { _tag: "Stopped" })],
  ["a reason whose time throws", throwing("at", { _tag: "Stopped", message: "stop" })],
  ["a reason whose asker is no string", { _tag: "Stopped", message: "stop", by: revoked() }],
  ["the error of a reason that throws", throwing("reason", Object.create(CancelReason.CancelError.prototype))],
  ["an object whose toString throws", { toString: revoked }]
]

describe.each(hostile)("a reason that throws when it is read: %s", (_, reason) => {
  it("is an Aborted with the value as its cause", () => {
    const made = CancelReason.fromUnknown(reason)
    expect(made._tag === "Aborted" && made.cause === reason).toBe(true)
    expect(typeof made.message).toBe("string")
    expect(CancelReason.isCancelReason(reason)).toBe(false)
  })

  it("cancels Abort.run: the finalizer runs, and the Promise rejects with the value", async () => {
    const controller = new AbortController()
    const log: Array<string> = []
    const running = Abort.run(
      Effect.onExit(Effect.never, (exit) =>
        Effect.sync(() => log.push(Exit.isFailure(exit) ? Cause.prettyErrors(exit.cause).length.toString() : "success"))
      ),
      { signal: controller.signal }
    ).then(
      () => false,
      (error: unknown) => error === reason
    )
    controller.abort(reason)
    expect(await running).toBe(true)
    expect(log.length).toBe(1)
  })

  it.effect("cancels Abort.interruptOn, and is read by a stop token as a reason", () =>
    Effect.gen(function* () {
      const controller = new AbortController()
      let finalized = false
      const finalizer = Effect.sync(() => void (finalized = true))
      const work = Effect.ensuring(Effect.never, finalizer).pipe(Abort.interruptOn(controller.signal))
      const fiber = yield* Effect.forkChild(work, now)
      controller.abort(reason)
      const exit = yield* Fiber.await(fiber)
      expect(finalized && Exit.hasInterrupts(exit)).toBe(true)
      const token = StopToken.fromSignal(controller.signal)
      expect(token.reason?._tag).toBe("Aborted")
      expect(() => token.check()).toThrow(CancelReason.CancelError)
    })
  )

  it.effect("is a typed refusal for Thread.interrupt, and no thread is cancelled", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.never, now)
      // A user without types can pass any value.
      expect(yield* defectTag(Thread.interrupt(thread, { reason: reason as CancelReason.CancelReason }))).toBe(
        "InvalidReason"
      )
      expect(yield* Thread.isAlive(thread)).toBe(true)
      expect(Thread.isThread(reason)).toBe(false)
    })
  )

  it.effect("is the defect of a blocking section that throws it", () =>
    Effect.gen(function* () {
      const section = Blocking.interruptible(() => {
        throw reason
      })
      const thread = yield* Thread.spawn(section)
      const exit = yield* Thread.await(thread)
      const defects = Exit.isFailure(exit) ? exit.cause.reasons.filter(Cause.isDieReason) : []
      expect(defects.map(({ defect }) => defect === reason)).toEqual([true])
      expect(ThreadError.isThreadError(reason)).toBe(false)
    })
  )

  it.effect("is the cause of the failure when the promise of Abort.promise rejects with it", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(
        Abort.promise(() => {
          throw reason
        })
      )
      expect(Cause.isUnknownError(failure) && failure.cause === reason).toBe(true)
    })
  )
})

class Flush extends Schema.TaggedError<Flush>()("Flush", {}) {}

describe("Thread.raise", () => {
  it.effect("refuses an error that throws when it is read, and the thread continues", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Thread.receive(Effect.never, Flush), now)
      for (const error of [
        revoked(),
        throwing("message", new Error("inner")),
        throwing("_tag"),
        throwing("stack", new Flush()),
        new Proxy(new Flush(), throwing("get"))
      ]) {
        expect(yield* defectTag(Thread.raise(thread, error as Thread.Raisable))).toBe("InvalidError")
      }
      yield* settle
      expect(yield* Thread.isAlive(thread)).toBe(true)
      expect(yield* Thread.raise(thread, new Flush())).toBe(true)
    })
  )

  it.effect("keeps an error waiting if the schema of a receive can't read it", () =>
    Effect.gen(function* () {
      const Picky = Schema.Struct({ _tag: Schema.Literal("Picky"), detail: Schema.String })
      const thread = yield* Thread.spawn(Effect.exit(Thread.receive(Effect.never, Picky)), now)
      const raising = yield* Effect.forkChild(
        Thread.raise(thread, throwing("detail", { _tag: "Picky" }) as Thread.Raisable),
        now
      )
      yield* settle
      expect(raising.pollUnsafe()).toBeUndefined()
      yield* Thread.interrupt(thread)
      expect(yield* Fiber.join(raising)).toBe(false)
    })
  )
})
