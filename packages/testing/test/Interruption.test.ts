import { spawn } from "node:child_process"
import { once } from "node:events"
import { closeSync, openSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "@effect/vitest"
import { Lease, Thread } from "@quiesce/core"
import { Interruption, Journal } from "@quiesce/testing"
import { Context, Deferred, Effect, Fiber, Layer, Queue, Schema, Scope, Semaphore } from "effect"

class Nudge extends Schema.TaggedError<Nudge>()("Nudge", {}) {}

const sound = Effect.scoped(
  Effect.gen(function* () {
    yield* Journal.resource("a")
    yield* Effect.sleep("1 hour")
    yield* Journal.resource("b")
    yield* Effect.yieldNow
  })
)

const listener = (): void => {}

/**
 * Opens a resource that exists until it is closed. The returned function closes the resource, and may be called twice.
 */
const leaks: ReadonlyArray<() => () => Promise<unknown>> = [
  () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 60_000)"], { stdio: "ignore" })
    const exited = once(child, "exit")
    return () => {
      child.kill("SIGKILL")
      return exited
    }
  },
  () => {
    const worker = new Worker("setInterval(() => {}, 60_000)", { eval: true })
    return () => worker.terminate()
  },
  () => {
    let fd: number | undefined = openSync(import.meta.filename, "r")
    return async () => {
      if (fd !== undefined) closeSync(fd)
      fd = undefined
    }
  },
  () => {
    const timer = setTimeout(() => {}, 60_000)
    return async () => clearTimeout(timer)
  }
]

const refusal = (options: Interruption.Options) =>
  Effect.map(Effect.flip(Interruption.explore(sound, options)), ({ message }) => message)

/** The problems of an exploration, each once. */
const problems = (found: Interruption.Exploration): ReadonlyArray<string> => [
  ...new Set(found.findings.flatMap((finding) => finding.problems))
]

class Permits extends Context.Service<Permits, Semaphore.Semaphore>()("test/Permits") {
  static readonly layer: Layer.Layer<Permits> = Layer.effect(Permits, Semaphore.make(1))
}

describe("Interruption.explore", () => {
  it.effect("cancels a program at every step, and finds nothing in a sound program", () =>
    Effect.gen(function* () {
      const found = yield* Interruption.explore(sound)
      expect(problems(found)).toEqual([])
      expect(found.cuts).toBe(found.steps)
      expect(found.steps).toBeGreaterThan(20)
    })
  )

  it.effect("finds a step between an acquire and the registration of its release", () =>
    Effect.gen(function* () {
      const leaky = Effect.scoped(
        Effect.flatMap(Journal.acquired("file"), () =>
          Effect.andThen(
            Effect.addFinalizer(() => Journal.released("file")),
            Effect.sleep(10)
          )
        )
      )
      const found = yield* Interruption.explore(leaky)
      expect(problems(found)).toEqual(['"file" was acquired and not released'])
      expect(found.findings.length).toBeLessThan(found.cuts)
      expect(found.findings[0]).toMatchObject({ trace: "+file", place: expect.stringContaining('thread "program"') })
    })
  )

  it.effect("names the span or the traced function of the step that was cancelled", () =>
    Effect.gen(function* () {
      const inner = Effect.andThen(Journal.acquired("file"), Effect.sleep(1)).pipe(Effect.withSpan("load"))
      const found = yield* Interruption.explore(Effect.andThen(inner, Journal.released("file")))
      expect(found.findings.map(({ place }) => place).join()).toMatch(/ in load \(.*Interruption\.test\.ts/)
    })
  )

  it.effect("reports where the function of Effect.fn that was cancelled is defined, and where it was called", () =>
    Effect.gen(function* () {
      const load = Effect.fn("load")(function* () {
        yield* Journal.acquired("file")
        yield* Effect.sleep(1)
      })
      const found = yield* Interruption.explore(Effect.andThen(Effect.suspend(load), Journal.released("file")))
      const file = String.raw`\(?.*Interruption\.test\.ts:\d+:\d+\)?`
      const place = new RegExp(String.raw` in load \(defined at ${file}\) > load \(${file}\)`)
      expect(found.findings.map(({ place }) => place).join()).toMatch(place)
    })
  )

  it.effect("finds a resource that is released twice", () =>
    Effect.gen(function* () {
      const twice = Effect.onInterrupt(
        Effect.ensuring(Effect.andThen(Journal.acquired("a"), Effect.sleep(1)), Journal.released("a")),
        () => Journal.released("a")
      )
      expect(problems(yield* Interruption.explore(twice))).toContain('"a" was released without being held')
    })
  )

  it.effect("finds a scope, a fiber, a timer and a listener that are left behind", () =>
    Effect.gen(function* () {
      const scope = Effect.gen(function* () {
        const made = yield* Scope.make()
        yield* Scope.addFinalizer(made, Effect.void)
        yield* Effect.provideService(Effect.sleep(1), Scope.Scope, made)
        yield* Scope.close(made, yield* Effect.exit(Effect.void))
      })
      expect(problems(yield* Interruption.explore(scope)).join()).toContain("was never closed, with 1 finalizer in it")
      const fiber = Effect.flatMap(Effect.forkDetach(Effect.never), (made) =>
        Effect.andThen(Effect.sleep(1), Fiber.interrupt(made))
      )
      expect(problems(yield* Interruption.explore(fiber)).join()).toContain(
        "waits for nothing, for ever (Effect.never)"
      )
      const timer = Effect.flatMap(Effect.forkDetach(Effect.sleep(9)), (made) => Fiber.join(made))
      expect(problems(yield* Interruption.explore(timer)).join()).toContain("1 sleep of the Clock was left")
      const signal = new AbortController().signal
      const listening = Effect.andThen(
        Effect.sync(() => signal.addEventListener("abort", listener)),
        Effect.andThen(
          Effect.sleep(1),
          Effect.sync(() => signal.removeEventListener("abort", listener))
        )
      )
      expect(problems(yield* Interruption.explore(listening))).toEqual([
        expect.stringMatching(
          /a listener was left: "listener" for "abort" on an AbortSignal, made at .*Interruption\.test/
        )
      ])
    })
  )

  it.effect(
    "runs the program again in the same environment, and finds damage that a cancel has done to the environment",
    () =>
      Effect.gen(function* () {
        const use = Effect.flatMap(Permits, (permits) =>
          Effect.andThen(permits.take(1), Effect.andThen(Effect.sleep(1), permits.release(1)))
        )
        const found = yield* Interruption.explore(use, { environment: Permits.layer })
        expect(problems(found).join()).toContain("run once more in its environment, it never ended")
        expect(problems(found).join()).toContain("waits for permits of a Semaphore")
        const better = Effect.flatMap(Permits, (permits) => permits.withPermits(1)(Effect.sleep(1)))
        expect(problems(yield* Interruption.explore(better, { environment: Permits.layer }))).toEqual([])
      })
  )

  it.effect("records the leases of core by itself", () =>
    Effect.gen(function* () {
      const failing = Effect.andThen(
        Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.fail("no") }),
        Effect.sleep(1)
      )
      expect(problems(yield* Interruption.explore(failing))).toContain('the release of "lease file" failed')
    })
  )

  it.effect("can interrupt twice, and can raise an error", () =>
    Effect.gen(function* () {
      const guarded = Effect.onInterrupt(Effect.sleep(5), () =>
        Effect.andThen(
          Journal.acquired("a"),
          Effect.andThen(Effect.interruptible(Effect.sleep(5)), Journal.released("a"))
        )
      )
      expect(problems(yield* Interruption.explore(guarded)).join()).toContain('"a" was acquired and not released')
      const region = Effect.ignore(Thread.receive(sound, Nudge))
      const raised = yield* Interruption.explore(region, { hit: { raise: new Nudge() } })
      expect(problems(raised)).toEqual([])
      const twice = yield* Interruption.explore(sound, { hit: "interruptTwice", seed: 3 })
      expect(problems(twice)).toEqual([])
    })
  )

  it.effect("refuses an error that no step of the program receives", () =>
    Effect.gen(function* () {
      const hit = { raise: new Nudge() }
      const error = yield* Effect.flip(Interruption.explore(sound, { hit }))
      expect(error.reason).toMatchObject({ _tag: "InvalidOption", option: "hit" })
      expect(error.message).toContain("Thread.receive")

      const late = Effect.andThen(sound, Effect.ignore(Thread.receive(sound, Nudge)))
      expect((yield* Interruption.explore(late, { hit })).findings).toEqual([])
      expect((yield* Interruption.explore(sound, { hit, only: [{ step: 0 }] })).findings).toEqual([])
      const leaky = Effect.andThen(Journal.acquired("a"), sound)
      expect((yield* Interruption.explore(leaky, { hit })).findings).not.toEqual([])
    })
  )

  it.effect("samples the steps of a long program by a seed, and repeats a single cut", () =>
    Effect.gen(function* () {
      const leaky = Effect.andThen(
        Effect.repeat(Effect.yieldNow, { times: 20 }),
        Effect.andThen(Journal.acquired("a"), Effect.andThen(Effect.sleep(1), Journal.released("a")))
      )
      const found = yield* Interruption.explore(leaky, { cuts: 40, seed: 7 })
      const again = yield* Interruption.explore(leaky, { cuts: 40, seed: 7 })
      expect(found).toEqual(again)
      expect(found.cuts).toBe(40)
      const all = yield* Interruption.explore(leaky)
      const { cut } = all.findings[0]!
      const one = yield* Interruption.explore(leaky, { only: [cut] })
      expect(one.findings).toEqual([all.findings[0]])
    })
  )

  it.effect("waits for real processes and timers if the option live is set", () =>
    Effect.gen(function* () {
      const reading = Effect.promise(() => readFile(import.meta.filename))
      const found = yield* Interruption.explore(Effect.andThen(Journal.resource("a"), reading).pipe(Effect.scoped), {
        live: true,
        stopAfter: "Infinity",
        cuts: 20
      })
      expect(problems(found)).toEqual([])
    })
  )

  it.effect("interrupts a live program while none of its code runs", () =>
    Effect.gen(function* () {
      const begun = Effect.callback<void>((resume) => {
        let timer: NodeJS.Timeout | undefined
        const immediate = setImmediate(() => {
          timer = setTimeout(() => resume(Effect.void), 20)
        })
        return Effect.suspend(() => {
          clearImmediate(immediate)
          clearTimeout(timer)
          return timer === undefined ? Effect.void : Journal.acquired("what had begun")
        })
      })
      const found = yield* Interruption.explore(begun, { live: true, stopAfter: "Infinity" })
      expect(problems(found)).toContain('"what had begun" was acquired and not released')
    })
  )

  it.effect("stops a leaking program at the time limit, and reports the findings and the number of untried cuts", () =>
    Effect.gen(function* () {
      const timers: Array<NodeJS.Timeout> = []
      const step = Effect.sync(() => void timers.push(setTimeout(() => {}, 3_600_000)))
      // After each cancel, the exploration waits the whole second for leftovers.
      const leaking = Effect.forEach(Array.from({ length: 20 }), () => Effect.andThen(step, Effect.yieldNow))
      const clear = Effect.sync(() => timers.forEach((timer) => clearTimeout(timer)))
      const error = yield* Effect.ensuring(Effect.flip(Interruption.check(leaking, { live: true })), clear)
      expect(error.reason._tag).toBe("NotCancelSafe")
      expect(error.message).toMatch(/a timer was left: setTimeout of 3600000 ms/)
      expect(error.message).toMatch(/\d+ cuts not tried in time: raise stopAfter/)
    })
  )

  it.effect("tries all cuts of a live program if there is time", () =>
    Effect.gen(function* () {
      const brief = Effect.scoped(Effect.andThen(Journal.resource("a"), Effect.sleep(1)))
      const found = yield* Interruption.check(brief, { live: true, cuts: 10, stopAfter: "1 hour" })
      expect([found.cuts, found.untried]).toEqual([10, 0])
    })
  )

  it.effect("refuses a program if the time limit allows no cancel, and an invalid duration", () =>
    Effect.gen(function* () {
      const slow = Interruption.explore(Effect.sleep(5), { live: true, stopAfter: 1 })
      expect((yield* Effect.flip(slow)).message).toContain("no cancel could be tried within 1 ms")
      const none = yield* Effect.flip(Interruption.explore(sound, { live: true, stopAfter: 0 }))
      expect(none.message).toContain("stopAfter: 0 is no time in which a cancel could be tried")
    })
  )

  it.effect("refuses an infinite wait for leftovers", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(Interruption.explore(sound, { live: true, within: "Infinity" }))
      expect(message).toContain("is no time to wait. Give a finite one")
    })
  )

  it.effect("finds leftovers of a live program, and reports where they were made", () =>
    Effect.gen(function* () {
      const opened: Array<() => Promise<unknown>> = []
      const closeAll = Effect.promise(() => Promise.all(opened.map((close) => close())))
      const gap = Effect.andThen(
        Effect.sync(() => opened.push(...leaks.map((open) => open()))),
        closeAll
      )
      // On a busy machine, the cancels before the one in the gap may take the default limit of four seconds.
      const exploring = Interruption.explore(gap, { live: true, stopAfter: "Infinity" })
      const { findings } = yield* Effect.ensuring(exploring, closeAll)
      const [first] = findings
      for (const kind of ["process", "worker", "descriptor", "timer"]) {
        expect(first?.problems.join("\n")).toMatch(
          new RegExp(`a ${kind} was left: .*, made at .*Interruption\\.test\\.ts:\\d+`)
        )
      }
      expect(first?.problems).toHaveLength(4)
    })
  )

  it.effect(
    "refuses an empty program, an endless program and a program that changes between runs, and names a fix",
    () =>
      Effect.gen(function* () {
        expect(yield* Effect.flip(Interruption.explore(Effect.void))).toMatchObject({ reason: { _tag: "Empty" } })
        const endless = yield* Effect.flip(Interruption.explore(Effect.forever(Effect.sleep(1)), { budget: 500 }))
        expect(endless.message).toContain("still ran after 500 steps")
        let runs = 0
        const changing = Effect.suspend(() => Effect.repeat(Effect.yieldNow, { times: ++runs }))
        expect(yield* Effect.flip(Interruption.explore(changing))).toMatchObject({
          reason: { _tag: "NotDeterministic" }
        })
        const cuts = yield* Effect.flip(Interruption.explore(sound, { cuts: 0 }))
        expect(cuts.message).toContain("cuts: 0 is not a number of cuts")
      })
  )

  it.effect("refuses a program that dies or can't run twice, and an environment that can't be built", () =>
    Effect.gen(function* () {
      // The type of the program does not show that it needs this service.
      const lacking = Permits as unknown as Effect.Effect<Semaphore.Semaphore>
      const dying = yield* Effect.flip(Interruption.explore(Effect.andThen(Effect.sleep(1), lacking)))
      expect(dying).toMatchObject({ reason: { _tag: "Dies", problem: expect.stringContaining("test/Permits") } })
      const take = Effect.flatMap(Permits, (permits) => Effect.andThen(Effect.sleep(1), permits.take(1)))
      const once = yield* Effect.flip(Interruption.explore(take, { environment: Permits.layer }))
      expect(once).toMatchObject({
        reason: { _tag: "NotRepeatable", waits: [expect.stringContaining("waits for permits of a Semaphore")] }
      })
      const environment = Layer.effect(Permits, Effect.fail("no permits"))
      expect(yield* Effect.flip(Interruption.explore(take, { environment }))).toMatchObject({
        reason: { _tag: "BadEnvironment", problem: expect.stringContaining("no permits") }
      })
    })
  )

  it.effect("refuses options that would test nothing, or something else than the caller expects", () =>
    Effect.gen(function* () {
      expect(yield* refusal({ only: [] })).toContain("it has no cut")
      expect(yield* refusal({ only: [{ step: 9999 }] })).toContain("the program has no step 9999")
      // A user without types could pass such options.
      const hit = "interupt" as "interrupt"
      expect(yield* refusal({ hit })).toContain('"interupt" is no hit')
    })
  )

  it.effect("reports leftovers that exist without a cancel as such", () =>
    Effect.gen(function* () {
      const found = yield* Interruption.explore(Effect.andThen(Journal.acquired("a"), Effect.sleep(1)))
      expect(found.findings[0]).toMatchObject({ cut: { step: 0 }, problems: ['"a" was acquired and not released'] })
      expect(Interruption.render(found)).toContain("without a cancel, and with 5 of the cancels")
      const again = yield* Interruption.explore(Effect.andThen(Journal.acquired("a"), Effect.sleep(1)), {
        only: [{ step: 0 }]
      })
      expect(again.findings).toEqual([found.findings[0]])
    })
  )

  it.effect("finds timers of the platform that are left behind in virtual time, and reports where they were made", () =>
    Effect.gen(function* () {
      const timer = Effect.callback<void>((resume) => {
        const made = setTimeout(() => {}, 60_000)
        timers.push(made)
        queueMicrotask(() => {
          clearTimeout(made)
          resume(Effect.void)
        })
      })
      const timers: Array<NodeJS.Timeout> = []
      const found = yield* Interruption.explore(Effect.andThen(timer, Effect.yieldNow))
      expect(problems(found)).toEqual([])
      const left = Effect.callback<void>((resume) => {
        const made = setTimeout(() => {}, 60_000)
        timers.push(made)
        resume(Effect.andThen(Effect.yieldNow, () => Effect.sync(() => clearTimeout(made))))
      })
      const unsafe = yield* Interruption.explore(left)
      timers.forEach((made) => clearTimeout(made))
      expect(problems(unsafe)).toEqual([
        expect.stringMatching(/a timer was left: setTimeout of 60000 ms, made at .*Interruption\.test/)
      ])
    })
  )

  it.effect("finds nothing for a listener that the platform has removed", () =>
    Effect.gen(function* () {
      const gone = Effect.gen(function* () {
        const [once, own] = [new AbortController(), new AbortController()]
        once.signal.addEventListener("abort", () => {}, { once: true })
        once.signal.addEventListener("abort", () => {}, { signal: own.signal })
        yield* Effect.ensuring(
          Effect.sleep(1),
          Effect.sync(() => {
            once.abort()
            own.abort()
          })
        )
      })
      expect(problems(yield* Interruption.explore(gone))).toEqual([])
    })
  )

  it.effect("separates two explorations that run at the same time", () =>
    Effect.gen(function* () {
      const signal = new AbortController().signal
      const listening = Effect.acquireUseRelease(
        Effect.sync(() => {
          const own = { handleEvent: (): void => {} }
          signal.addEventListener("abort", own)
          return own
        }),
        () => Effect.sleep(1),
        (own) => Effect.sync(() => signal.removeEventListener("abort", own))
      )
      const both = yield* Effect.all([Interruption.explore(listening), Interruption.explore(listening)], {
        concurrency: 2
      })
      expect(both.flatMap(problems)).toEqual([])
    })
  )

  it.effect("stops after the first cancel that breaks a resource outside the program", () =>
    Effect.gen(function* () {
      const lock = Semaphore.makeUnsafe(1)
      const unsafe = Effect.andThen(lock.take(1), Effect.andThen(Effect.sleep(1), lock.release(1)))
      const { findings } = yield* Interruption.explore(unsafe)
      expect(findings).toHaveLength(1)
      expect(findings[0]!.problems.join()).toMatch(/run once more, it never ended,.* waits for permits of a Semaphore/)
    })
  )

  it.effect("names the resource that each fiber in a deadlock waits for", () =>
    Effect.gen(function* () {
      const deadlock = Effect.gen(function* () {
        const [a, b] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const left = Effect.andThen(Deferred.await(a), Deferred.succeed(b, undefined)).pipe(Effect.withSpan("left"))
        const right = Effect.andThen(Deferred.await(b), Deferred.succeed(a, undefined)).pipe(Effect.withSpan("right"))
        yield* Effect.all([left, right], { concurrency: 2 })
      })
      const { reason } = yield* Effect.flip(Interruption.explore(deadlock))
      const text = JSON.stringify(reason)
      expect(text).toMatch(/in left .* waits for a Deferred to be done/)
      expect(text).toMatch(/in right .* waits for a Deferred to be done/)
      const queue = Effect.flatMap(Queue.unbounded<number>(), (made) => Queue.take(made))
      expect((yield* Effect.flip(Interruption.explore(queue))).message).toContain("waits for something in a Queue")
    })
  )
})

describe("Interruption.check", () => {
  it.effect(
    "fails with a text that names the problem, the place and the order of steps, and shows how to repeat the cut",
    () =>
      Effect.gen(function* () {
        const leaky = Effect.andThen(Journal.acquired("a"), Effect.andThen(Effect.sleep(1), Journal.released("a")))
        const error = yield* Effect.flip(Interruption.check(leaky))
        expect(error.message).toMatch(
          /hit at step \d+ of \d+ \(and 5 more with the same problems\), fiber \d+ of thread "program"/
        )
        expect(error.message).toContain('- "a" was acquired and not released')
        expect(error.message).toContain("trace: +a")
        expect(error.message).toMatch(/again: \{"only":\[\{"step":\d+\}\]\}/)
      })
  )

  it.effect("returns the counts for a safe program", () =>
    Effect.gen(function* () {
      expect(yield* Interruption.check(sound)).toMatchObject({ findings: [] })
    })
  )
})
