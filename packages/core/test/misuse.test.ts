import { expect, it } from "@effect/vitest"
import * as Core from "@quiesce/core"
import * as Adapter from "@quiesce/core/adapter"
import { CancelReason, Thread, ThreadError, ThreadGroup, ThreadMap } from "@quiesce/core"
import * as ThreadMetrics from "@quiesce/core/ThreadMetrics"
import * as Timeline from "@quiesce/core/Timeline"
import { Cause, Context, Effect, Exit, ManagedRuntime, Layer, Option } from "effect"
import { functionsOf, type Table, unhelpful } from "./fixtures/hostile.ts"
import { defectOf } from "./support.ts"

const modules: Readonly<Record<string, object>> = { ...Core, ThreadMetrics, Timeline, adapter: Adapter }

const functions = new Map(Object.entries(modules).flatMap(([name, module]) => [...functionsOf(name, module)]))

const f = (): void => {}

/** A remote thread that ends when it is interrupted. */
const start = (remote: Adapter.RemoteThread<unknown, unknown>): Adapter.Controls => ({
  requestStop: () => Effect.void,
  requestInterrupt: () => Effect.sync(() => remote.settle(Exit.void)),
  unwind: Option.none(),
  kill: Option.none(),
  locate: Effect.succeedNone
})

const rows = Effect.gen(function* (): Effect.fn.Return<Table, never, import("effect").Scope.Scope> {
  const thread = yield* Thread.spawn(Effect.void, { startImmediately: true })
  const group = yield* ThreadGroup.make()
  const map = yield* ThreadMap.make<string>()
  const reason = CancelReason.stopped()
  const cause = Cause.die("why")
  const exit = Exit.void
  const { signal } = new AbortController()
  const work = Effect.void
  const report = yield* Thread.shutdown(thread)
  const dump = yield* Core.ThreadDump.make
  const timeline = yield* Effect.scoped(Effect.flatMap(Timeline.record(), ({ read }) => read))
  const options = {}
  const fiber = yield* Effect.withFiber(Effect.succeed)
  const lease = { name: "lease", acquire: Effect.void, release: () => Effect.void }
  const end = Core.ForcedEnd.killed("thread", [])
  return {
    "adapter.controlsOf": [thread],
    "adapter.encodedError": [{}, f],
    "adapter.enterLease": [fiber, "lease"],
    "adapter.execute": [start, options],
    "adapter.executeIn": [fiber, start, options],
    "adapter.extendTo": [thread, fiber],
    "adapter.isReleasing": [fiber],
    "adapter.observeLeases": [thread, { entered: f, settled: f }],
    "adapter.observeSections": [() => f],
    "adapter.onExit": [thread, f],
    "adapter.provideDumps": [Effect.succeed([])],
    "adapter.reportingCleanup": [work, () => thread, () => work],
    "adapter.shareFlags": [thread, { stopRequested: false, interrupted: false, checks: new Int32Array(1) }],
    "adapter.spawn": [(remote: Adapter.RemoteThread<unknown, unknown>) => Effect.succeed(start(remote)), options],
    "adapter.spawnBelow": [thread, Context.empty()],
    "adapter.withDescendants": [thread],
    "Abort.any": [[signal]],
    "Abort.awaitAbort": [signal],
    "Abort.interruptOn": [work, signal],
    "Abort.onAbort": [signal, f],
    "Abort.promise": [() => Promise.resolve(), options],
    "Abort.run": [work, options],
    "Abort.runIn": [ManagedRuntime.make(Layer.empty)],
    "Abort.runWith": [Context.empty()],
    "Abort.timeout": ["1 second"],
    "Blocking.interruptible": [f, options],
    "Blocking.uninterruptible": [f],
    "CancelReason.aborted": ["why", options],
    "CancelReason.allFromCause": [cause],
    "CancelReason.deadlineExceeded": [1, options],
    "CancelReason.firstOfCause": [cause],
    "CancelReason.fromCause": [cause],
    "CancelReason.fromExit": [exit],
    "CancelReason.fromUnknown": [reason],
    "CancelReason.interrupted": [options],
    "CancelReason.isCancelReason": [reason],
    "CancelReason.lost": ["runner", options],
    "CancelReason.moved": ["runner", options],
    "CancelReason.parentEnded": ["parent", options],
    "CancelReason.shutdown": [options],
    "CancelReason.siblingFailed": ["sibling", options],
    "CancelReason.stopped": [options],
    "CancelReason.timedOut": [1, options],
    "CancelReason.toAnnotations": [reason],
    "CancelReason.toCause": [reason],
    "CancelReason.toError": [reason],
    "Deadline.isDeadlineExceeded": [reason],
    "Deadline.within": [work, "1 second"],
    "Escalation.steps": [{ stop: "1 second" }],
    "ForcedEnd.annotate": [cause, end],
    "ForcedEnd.crashed": ["thread", []],
    "ForcedEnd.fromCause": [cause],
    "ForcedEnd.fromExit": [exit],
    "ForcedEnd.killed": ["thread", []],
    "Lease.acquire": [lease],
    "Lease.tally": [thread],
    "ShutdownReport.isAbandoned": [report],
    "ShutdownReport.render": [report],
    "StopToken.fromSignal": [signal],
    "Thread.await": [thread],
    "Thread.interrupt": [thread, options],
    "Thread.interruptAll": [[thread], options],
    "Thread.interruptFork": [thread, options],
    "Thread.isAlive": [thread],
    "Thread.isThread": [thread],
    "Thread.join": [thread],
    "Thread.joinAll": [[thread], options],
    "Thread.joinWithin": [thread, "1 second"],
    "Thread.raise": [thread, new Error("raised")],
    "Thread.raiseWithin": [thread, new Error("raised"), "1 second"],
    "Thread.receive": [work],
    "Thread.runtime": [],
    "Thread.shutdown": [thread, options],
    "Thread.spawn": [work, options],
    "Thread.status": [thread],
    "Thread.stop": [thread, options],
    "Thread.stopAll": [[thread], options],
    "Thread.untilStopped": [work],
    "ThreadDump.expose": [],
    "ThreadDump.of": [thread],
    "ThreadDump.printable": ["text"],
    "ThreadDump.render": [dump, options],
    "ThreadError.isThreadError": [reason],
    "ThreadError.make": [{ _tag: "SelfJoin", thread: "thread" }],
    "ThreadGroup.joinAll": [group],
    "ThreadGroup.make": [options],
    "ThreadGroup.shutdown": [group, options],
    "ThreadGroup.spawn": [group, work, options],
    "ThreadMap.awaitEmpty": [map],
    "ThreadMap.clear": [map, options],
    "ThreadMap.get": [map, "key"],
    "ThreadMap.has": [map, "key"],
    "ThreadMap.join": [map],
    "ThreadMap.make": [],
    "ThreadMap.makeRuntime": [],
    "ThreadMap.makeRuntimePromise": [],
    "ThreadMap.remove": [map, "key", options],
    "ThreadMap.run": [map, "key", work, options],
    "ThreadMap.runtime": [map],
    "ThreadMap.runtimePromise": [map],
    "ThreadMap.size": [map],
    "Timeline.record": [options],
    "Timeline.render": [timeline],
    "Timeline.renderSvg": [timeline],
    "Timeline.renderTrace": [timeline]
  }
})

/** `Abort.any` refuses like the platform's function, with a `TypeError` and a message of its own. */
const isHelpful = (error: unknown, name: string): boolean =>
  ThreadError.isThreadError(error) || (error instanceof TypeError && error.message.startsWith(`${name} got `))

it.live("each function accepts a wrong argument, or dies with a ThreadError", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const right = yield* rows
      expect(yield* Effect.promise(() => unhelpful(functions, right, isHelpful))).toEqual([])
    })
  )
)

/** The message of a call in a program without types. */
const says = (call: (untyped: never) => Effect.Effect<unknown, unknown, unknown>, given: unknown) =>
  Effect.map(defectOf(Effect.scoped(call(given as never) as Effect.Effect<unknown>)), ({ message }) => message)

/** A value that a generator uses as an effect. */
const yielded = (effect: unknown) =>
  Effect.gen(function* () {
    return yield* effect as Effect.Effect<unknown>
  })

it.effect("the message of a wrong argument names the given value and the accepted values", () =>
  Effect.gen(function* () {
    expect(yield* says((it) => yielded(Thread.spawn(it)), undefined)).toBe(
      "Thread.spawn got undefined, so nothing has happened. It takes an Effect, such as Effect.promise(() => f()) for an async function f."
    )
    expect(yield* says(Thread.spawn, Promise.resolve())).toMatch(/^Thread.spawn got a Promise, .* It takes an Effect/)
    expect(yield* says(Thread.join, Effect.void)).toMatch(
      /^Thread.join got .*, so nothing has happened. It takes a thread: the result of `yield\* Thread.spawn\(work\)`.$/
    )
    expect(yield* says((policy) => ThreadGroup.make({ policy }), "failfast")).toBe(
      'ThreadGroup.make got "failfast", so nothing has happened. It takes { policy }, which is one of "failFast", "collect", "isolate".'
    )
    expect(yield* says(ThreadGroup.make, "isolate")).toBe(
      'ThreadGroup.make got "isolate", so nothing has happened. It takes { policy }, which is one of "failFast", "collect", "isolate".'
    )
    expect(
      yield* says(
        (signal) =>
          Effect.orDie(Effect.tryPromise({ try: () => Core.Abort.run(Effect.void, { signal }), catch: (e) => e })),
        {}
      )
    ).toMatch(/^The signal of Abort.run got .* It takes an AbortSignal/)
    expect(
      yield* says(
        // Without types, like the options.
        (signal) =>
          Effect.orDie(Effect.tryPromise({ try: () => Core.Abort.run(Effect.void, signal as {}), catch: (e) => e })),
        new AbortController().signal
      )
    ).toMatch(/^Abort.run got .*, so nothing has happened. It takes the signal in options: { signal }.$/)
  })
)

/** An object that throws at each read. */
const unreadable = (): never => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy as never
}

const functionsOfThreads: Readonly<Record<string, (self: never) => unknown>> = {
  "Thread.stop": Thread.stop,
  "Thread.stopAll": Thread.stopAll,
  "Thread.interrupt": Thread.interrupt,
  "Thread.interruptAll": Thread.interruptAll,
  "Thread.interruptFork": Thread.interruptFork,
  "Thread.shutdown": Thread.shutdown,
  "Thread.spawn": Thread.spawn,
  "ThreadGroup.shutdown": ThreadGroup.shutdown
}

for (const [name, call] of Object.entries(functionsOfThreads)) {
  it.effect(`${name} names in its error an effect in place of its result, and an object that can't be read`, () =>
    Effect.gen(function* () {
      const given = name === "Thread.spawn" ? [unreadable()] : [Thread.spawn(Effect.void), unreadable()]
      for (const it of given) {
        const message = yield* says(call as (untyped: never) => Effect.Effect<unknown>, it)
        expect(message).toMatch(new RegExp(`^${name} got (?:an?|the) .*, so nothing has happened. It takes an? `))
      }
    })
  )
}
