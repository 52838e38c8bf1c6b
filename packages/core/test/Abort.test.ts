import { getEventListeners } from "node:events"
import { describe, expect, it, vi } from "@effect/vitest"
import { CancelReason, Abort, Deadline, Thread } from "@quiesce/core"
import { Cause, Context, Effect, Exit, Fiber, Latch, Layer, Logger, ManagedRuntime, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { endsIn, defectTag, messages, settle } from "./support.ts"

const now = { startImmediately: true } as const

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length

const gone = new Error("gone")

/** The promise's outcome as a value. */
const outcome = <A>(promise: Promise<A>): Promise<unknown> =>
  promise.then(
    (value) => ["resolved", value],
    (reason: unknown) => ["rejected", reason]
  )

describe("Abort.interruptOn", () => {
  it.effect("with an aborted signal runs nothing, not even a synchronous prefix", () =>
    Effect.gen(function* () {
      let ran = false
      const exit = yield* Effect.exit(
        Abort.interruptOn(
          Effect.sync(() => (ran = true)),
          AbortSignal.abort(gone)
        )
      )
      expect(ran).toBe(false)
      expect(Option.getOrThrow(CancelReason.fromExit(exit))).toMatchObject({ _tag: "Aborted", cause: gone })
    })
  )

  it.effect("interrupts with the signal's reason and waits for the finalizers", () =>
    Effect.gen(function* () {
      const controller = new AbortController()
      const seen: Array<string> = []
      const gate = yield* Latch.make()
      const work = Effect.onExit(Effect.never, (exit) =>
        Effect.andThen(
          gate.await,
          Effect.sync(() => seen.push(...messages(exit)))
        )
      )
      const fiber = yield* Effect.forkChild(Abort.interruptOn(work, controller.signal), now)
      controller.abort(gone)
      yield* settle
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* gate.open
      const exit = yield* Fiber.await(fiber)
      expect(seen).toEqual(["Aborted: gone"])
      expect(messages(exit)).toEqual(["Aborted: gone"])
    })
  )

  it.effect("leaves no listener after success, failure, abort and interruption", () =>
    Effect.gen(function* () {
      const controller = new AbortController()
      const { signal } = controller
      yield* Abort.interruptOn(Effect.yieldNow, signal)
      expect(listeners(signal)).toBe(0)
      yield* Effect.exit(Effect.fail("no").pipe(Abort.interruptOn(signal)))
      expect(listeners(signal)).toBe(0)
      const fiber = yield* Effect.forkChild(Abort.interruptOn(Effect.never, signal), now)
      expect(listeners(signal)).toBe(1)
      yield* Fiber.interrupt(fiber)
      expect(listeners(signal)).toBe(0)
      const aborted = yield* Effect.forkChild(Abort.interruptOn(Effect.never, signal), now)
      controller.abort()
      yield* Fiber.await(aborted)
      expect(listeners(signal)).toBe(0)
    })
  )

  it.effect("accepts every abort reason of JavaScript", () =>
    Effect.gen(function* () {
      for (const reason of [undefined, null, 0, "", Symbol("s"), 1n, Object.create(null), () => {}]) {
        const controller = new AbortController()
        const fiber = yield* Effect.forkChild(Abort.interruptOn(Effect.never, controller.signal), now)
        controller.abort(reason)
        const exit = yield* Fiber.await(fiber)
        expect(Option.getOrThrow(CancelReason.fromExit(exit))).toMatchObject({ _tag: "Aborted" })
      }
    })
  )
})

describe("Abort.run", () => {
  it.for([
    ["a deadline that has passed as well", new Deadline.DeadlineExceeded({ millis: 1, suppressed: [] }), 0],
    ["the failure of a finalizer", new Error("not released"), 1]
  ] as const)("logs only failed finalizers after an abort: %s", async ([, error, lines]) => {
    const log = vi.spyOn(console, "log").mockImplementation(() => {})
    const controller = new AbortController()
    const both = Cause.combine(Cause.interrupt(), Cause.fail(error))
    const ended = Effect.suspend(() => {
      controller.abort(gone)
      return Effect.failCause(both)
    })
    const { signal } = controller
    expect(await outcome(Abort.run(Effect.uninterruptible(ended), { signal }))).toEqual(["rejected", gone])
    expect(log).toHaveBeenCalledTimes(lines)
    log.mockRestore()
  })

  it("rejects with the signal's reason after an abort, also if the failure throws when it is read", async () => {
    const controller = new AbortController()
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const ended = Effect.suspend(() => {
      controller.abort(gone)
      return Effect.failCause(Cause.fromReasons([...Cause.interrupt().reasons, Cause.makeFailReason(proxy)]))
    })
    const logged = Effect.provide(Effect.uninterruptible(ended), Logger.layer([]))
    expect(await outcome(Abort.run(logged, { signal: controller.signal }))).toEqual(["rejected", gone])
  })

  it("resolves with the value and rejects with the failure", async () => {
    const { signal } = new AbortController()
    expect(await outcome(Abort.run(Effect.succeed(1)))).toEqual(["resolved", 1])
    expect(await outcome(Abort.run(Effect.succeed(1), { signal }))).toEqual(["resolved", 1])
    expect(await outcome(Abort.run(Effect.fail(gone), { signal }))).toEqual(["rejected", gone])
    expect(listeners(signal)).toBe(0)
  })

  it("with an aborted signal runs nothing and rejects with the signal's reason", async () => {
    let ran = false
    const promise = Abort.run(
      Effect.sync(() => (ran = true)),
      { signal: AbortSignal.abort(gone) }
    )
    expect(await outcome(promise)).toEqual(["rejected", gone])
    expect(ran).toBe(false)
  })

  it("rejects with signal.reason itself, after the last finalizer", async () => {
    const controller = new AbortController()
    const log: Array<string> = []
    const gate = Latch.makeUnsafe()
    const finalizer = Effect.andThen(
      gate.await,
      Effect.sync(() => log.push("finalizer"))
    )
    const promise = Abort.run(Effect.ensuring(Effect.never, finalizer), { signal: controller.signal })
    const settled = promise.catch((reason: unknown) => {
      log.push("rejected")
      return reason
    })
    const reason = { any: "thing" }
    controller.abort(reason)
    Latch.openUnsafe(gate)
    expect(await settled).toBe(reason)
    expect(log).toEqual(["finalizer", "rejected"])
    expect(listeners(controller.signal)).toBe(0)
  })

  it("rejects with the reason when a mask delays the interrupt to the end of the effect", async () => {
    const controller = new AbortController()
    let done = false
    const gate = Latch.makeUnsafe()
    const masked = Effect.uninterruptible(
      Effect.andThen(
        gate.await,
        Effect.sync(() => (done = true))
      )
    )
    const promise = outcome(Abort.run(masked, { signal: controller.signal }))
    controller.abort(gone)
    Latch.openUnsafe(gate)
    expect(await promise).toEqual(["rejected", gone])
    expect(done).toBe(true)
  })

  it("resolves when the effect has succeeded before the abort could reach it", async () => {
    const controller = new AbortController()
    const effect = Effect.sync(() => {
      controller.abort(gone)
      return "done"
    })
    expect(await outcome(Abort.run(effect, { signal: controller.signal }))).toEqual(["resolved", "done"])
  })

  it("notices an abort by the synchronous prefix of the effect itself", async () => {
    const controller = new AbortController()
    const effect = Effect.andThen(
      Effect.sync(() => controller.abort(gone)),
      Effect.never
    )
    expect(await outcome(Abort.run(effect, { signal: controller.signal }))).toEqual(["rejected", gone])
  })

  it("passes the reason to the finalizers of the effect's own thread", async () => {
    const controller = new AbortController()
    let seen: ReadonlyArray<string> = []
    const effect = Effect.onExit(Effect.never, (exit) => Effect.sync(() => (seen = messages(exit))))
    const promise = outcome(Abort.run(effect, { signal: controller.signal }))
    controller.abort(CancelReason.toError(CancelReason.shutdown({ message: "bye" })))
    await promise
    expect(seen).toEqual(["bye"])
  })
})

class Greeting extends Context.Service<Greeting, string>()("Greeting") {}

describe("Abort.runIn", () => {
  it("runs with the services of the runtime, and keeps the reason on both sides", async () => {
    const runtime = ManagedRuntime.make(Layer.succeed(Greeting, "hello"))
    expect(await Abort.runIn(runtime)(Greeting)).toBe("hello")
    const controller = new AbortController()
    const reason = CancelReason.toError(CancelReason.shutdown({ message: "bye" }))
    const seen: Array<string> = []
    const gate = Latch.makeUnsafe()
    const work = Effect.andThen(gate.open, Effect.never).pipe(
      Effect.onExit((exit) => Effect.map(Greeting, (greeting) => seen.push(greeting, ...messages(exit))))
    )
    const running = outcome(Abort.runIn(runtime)(work, { signal: controller.signal }))
    await Effect.runPromise(gate.await)
    controller.abort(reason)
    expect(await running).toEqual(["rejected", reason])
    expect(seen).toEqual(["hello", "bye"])
    expect(listeners(controller.signal)).toBe(0)
    expect(await outcome(Abort.runIn(runtime)(Greeting, { signal: AbortSignal.abort(gone) }))).toEqual([
      "rejected",
      gone
    ])
    await runtime.dispose()
  })
})

describe("the listener of a signal", () => {
  it("is shared by any number of runs, composites and callbacks, and is removed with the last", async () => {
    const { signal } = new AbortController()
    const running = Array.from({ length: 100 }, () => Abort.run(Effect.yieldNow, { signal }))
    const removals = [Abort.onAbort(signal, () => {}), Abort.onAbort(signal, () => {})]
    const all = Abort.any([signal])
    expect(listeners(signal)).toBe(1)
    await Promise.all(running)
    for (const remove of removals) remove()
    expect(listeners(signal)).toBe(1)
    all[Symbol.dispose]()
    expect(listeners(signal)).toBe(0)
  })
})

/** Never ends. Each of its fibers, forked by a combinator of Effect, records the reason of its interruption. */
const forked = (seen: Array<string>): Effect.Effect<unknown> => {
  const one = Effect.onExit(Effect.never, (exit) => Effect.sync(() => seen.push(...messages(exit))))
  return Effect.all([one, one], { concurrency: "unbounded" })
}

describe("the reason of a signal", () => {
  it("is received by the fibers that Effect's combinators fork: run", async () => {
    const controller = new AbortController()
    const seen: Array<string> = []
    const running = outcome(Abort.run(forked(seen), { signal: controller.signal }))
    controller.abort(gone)
    expect(await running).toEqual(["rejected", gone])
    expect(seen).toEqual(["Aborted: gone", "Aborted: gone"])
  })

  it.effect("is received by the fibers that Effect's combinators fork: interruptOn, outside threads and inside", () =>
    Effect.gen(function* () {
      for (const wrap of [
        Effect.exit,
        (work: Effect.Effect<unknown>) => Effect.flatMap(Thread.spawn(work), Thread.await)
      ]) {
        const controller = new AbortController()
        const seen: Array<string> = []
        const fiber = yield* Effect.forkChild(wrap(Abort.interruptOn(forked(seen), controller.signal)), now)
        yield* settle
        controller.abort(gone)
        yield* Fiber.await(fiber)
        expect(seen).toEqual(["Aborted: gone", "Aborted: gone"])
      }
    })
  )

  it.effect("is not the reason of a thread spawned inside that ends for another reason", () =>
    Effect.gen(function* () {
      const controller = new AbortController()
      const seen: Array<string> = []
      const scope = yield* Scope.make()
      const spawning = Effect.andThen(Scope.provide(Thread.spawn(forked(seen)), scope), Effect.never)
      const fiber = yield* Effect.forkChild(Abort.interruptOn(spawning, controller.signal), now)
      yield* settle
      controller.abort(gone)
      yield* Fiber.await(fiber)
      expect(seen).toEqual([])
      yield* Scope.close(scope, Exit.void)
      expect(seen).toEqual(["Its scope has closed", "Its scope has closed"])
    })
  )
})

describe("Abort.promise", () => {
  it.effect("succeeds with the value, and fails for a rejection or a throw with its cause", () =>
    Effect.gen(function* () {
      expect(yield* Abort.promise(() => Promise.resolve(1))).toBe(1)
      const rejected = yield* Effect.flip(Abort.promise(() => Promise.reject(gone)))
      expect(Cause.isUnknownError(rejected) && rejected.cause).toBe(gone)
      const thrown = yield* Effect.flip(
        Abort.promise(() => {
          throw gone
        })
      )
      expect(Cause.isUnknownError(thrown) && thrown.cause).toBe(gone)
    })
  )

  it.effect("aborts its signal with the reason and waits for the promise before finalizers run", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const { promise, resolve } = Promise.withResolvers<void>()
      const thread = yield* Thread.spawn(
        Effect.ensuring(
          Abort.promise((signal) => {
            signal.addEventListener("abort", () => log.push(`abort ${signal.reason.name} ${signal.reason.message}`))
            return promise.then(() => log.push("settled"))
          }),
          Effect.sync(() => log.push("finalizer"))
        ),
        now
      )
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "why" }) })
      yield* settle
      expect(log).toEqual(["abort AbortError why"])
      resolve()
      yield* Effect.exit(Thread.await(thread))
      expect(log).toEqual(["abort AbortError why", "settled", "finalizer"])
    })
  )

  it.effect("waits at most for the time `settle` for a promise that ignores the signal", () =>
    Effect.gen(function* () {
      yield* settle
      const thread = yield* Thread.spawn(
        Abort.promise(() => new Promise(() => {}), { settle: 50 }),
        now
      )
      yield* Thread.interruptFork(thread)
      yield* TestClock.adjust(49)
      expect(yield* Thread.isAlive(thread)).toBe(true)
      yield* TestClock.adjust(1)
      expect(yield* Thread.isAlive(thread)).toBe(false)
    })
  )

  it.effect("refuses an invalid settle and does not call the function", () =>
    Effect.gen(function* () {
      let called = false
      const f = () => {
        called = true
        return Promise.resolve()
      }
      expect(yield* defectTag(Abort.promise(f, { settle: -1 }))).toBe("InvalidDuration")
      expect(yield* defectTag(Abort.promise(f, { settle: Infinity }))).toBe("InvalidDuration")
      expect(called).toBe(false)
    })
  )
})

describe("Abort.fromScope", () => {
  it.effect("aborts when the scope closes, with the reason of its exit", () =>
    Effect.gen(function* () {
      const closed = yield* Effect.scoped(Abort.fromScope)
      expect(closed.reason).toMatchObject({ name: "AbortError", message: "The scope has closed" })
      const scope = yield* Scope.make()
      const signal = yield* Scope.provide(Abort.fromScope, scope)
      expect(signal.aborted).toBe(false)
      yield* Scope.close(scope, Exit.failCause(CancelReason.toCause(CancelReason.shutdown({ message: "bye" }))))
      expect(signal.reason.message).toBe("bye")
    })
  )
})

describe("Abort.any", () => {
  it.each([1, 2])("dispatches its event if a source is a composite of the platform, at depth %i", async (depth) => {
    const source = new AbortController()
    let composite = source.signal
    for (let level = 0; level < depth; level++) composite = AbortSignal.any([composite, new AbortController().signal])
    const all = Abort.any([composite, new AbortController().signal])
    const dispatched = new Promise((resolve) => all.signal.addEventListener("abort", resolve))
    source.abort(gone)
    // Node 24 has dispatched the event of its own dependent signal before, so the event comes after the turn.
    await dispatched
    expect(all.signal.reason).toBe(gone)
  })

  it("aborts with the first aborting source and its reason, and leaves no listener on the others", () => {
    const [first, second] = [new AbortController(), new AbortController()]
    const all = Abort.any([first.signal, second.signal])
    expect([listeners(first.signal), listeners(second.signal)]).toEqual([1, 1])
    second.abort(gone)
    first.abort(new Error("late"))
    expect(all.signal.reason).toBe(gone)
    expect([listeners(first.signal), listeners(second.signal)]).toEqual([0, 0])
  })

  it("of an aborted source is aborted and listens to no source", () => {
    const live = new AbortController()
    const all = Abort.any([live.signal, AbortSignal.abort(gone)])
    expect(all.signal.reason).toBe(gone)
    expect(listeners(live.signal)).toBe(0)
  })

  it("follows no source after one or more disposals", () => {
    const source = new AbortController()
    const all = Abort.any([source.signal, source.signal])
    all[Symbol.dispose]()
    all[Symbol.dispose]()
    expect(listeners(source.signal)).toBe(0)
    source.abort()
    expect(all.signal.aborted).toBe(false)
  })

  it("of no source never aborts", () => {
    expect(Abort.any([]).signal.aborted).toBe(false)
  })
})

describe("Abort.any of one signal", () => {
  it("aborts with the source, and by a call of abort without the source", () => {
    const parent = new AbortController()
    const [child, sibling] = [Abort.any([parent.signal]), Abort.any([parent.signal])]
    child.abort(gone)
    expect(child.signal.reason).toBe(gone)
    expect([parent.signal.aborted, sibling.signal.aborted]).toEqual([false, false])
    expect(listeners(parent.signal)).toBe(1)
    parent.abort()
    expect(sibling.signal.reason).toBe(parent.signal.reason)
    expect(listeners(parent.signal)).toBe(0)
  })

  it("keeps its first reason", () => {
    const parent = new AbortController()
    const child = Abort.any([parent.signal])
    child.abort(gone)
    parent.abort(new Error("late"))
    expect(child.signal.reason).toBe(gone)
  })
})

describe("Abort.timeout", () => {
  it.effect("aborts after its time with a TimedOut, and not once its scope has closed", () =>
    Effect.gen(function* () {
      const early = yield* Effect.scoped(Abort.timeout(50))
      const signal = yield* Abort.timeout(50)
      yield* TestClock.adjust(49)
      expect(signal.aborted).toBe(false)
      yield* TestClock.adjust(1)
      expect(signal.reason).toMatchObject({ name: "AbortError", reason: { _tag: "TimedOut", millis: 50 } })
      expect(early.aborted).toBe(false)
    })
  )

  it.effect("refuses an invalid time", () =>
    Effect.gen(function* () {
      expect(yield* defectTag(Abort.timeout(-1))).toBe("InvalidDuration")
      expect(yield* defectTag(Abort.timeout("Infinity"))).toBe("InvalidDuration")
    })
  )
})

describe("Abort.awaitAbort", () => {
  it.effect("returns the reason, at once for an aborted signal, and leaves no listener", () =>
    Effect.gen(function* () {
      const controller = new AbortController()
      expect(yield* Abort.awaitAbort(AbortSignal.abort(gone))).toBe(gone)
      const given = yield* Effect.forkChild(Abort.awaitAbort(controller.signal), now)
      yield* Fiber.interrupt(given)
      expect(listeners(controller.signal)).toBe(0)
      const waiting = yield* Effect.forkChild(Abort.awaitAbort(controller.signal), now)
      controller.abort(gone)
      expect(yield* Fiber.join(waiting)).toBe(gone)
      expect(listeners(controller.signal)).toBe(0)
    })
  )
})

describe("Abort.onAbort", () => {
  it("calls the listener once, at once for an aborted signal, and never after its removal", () => {
    const calls: Array<string> = []
    const controller = new AbortController()
    Abort.onAbort(controller.signal, () => calls.push("kept"))
    Abort.onAbort(controller.signal, () => calls.push("taken back"))()
    controller.abort()
    Abort.onAbort(controller.signal, () => calls.push("late"))
    expect(calls).toEqual(["kept", "late"])
    expect(listeners(controller.signal)).toBe(0)
  })
})

describe("Thread", () => {
  it.effect("leaves no listener on its stopSignal after untilStopped, on any path", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          const { stopSignal } = yield* Thread.current
          const counts: Array<number> = []
          const count = Effect.sync(() => void counts.push(listeners(stopSignal)))
          yield* Effect.andThen(Thread.untilStopped(Effect.void), count)
          yield* Effect.andThen(Effect.exit(Thread.untilStopped(Effect.fail("no"))), count)
          yield* Effect.andThen(Effect.timeoutOption(Thread.untilStopped(Effect.never), 10), count)
          yield* Effect.andThen(Thread.untilStopped(Effect.never), count)
          return counts
        }),
        now
      )
      yield* TestClock.adjust(10)
      yield* Thread.stop(thread)
      expect(yield* endsIn(Thread.join(thread), 0)).toEqual([0, 0, 0, 0])
    })
  )
})
