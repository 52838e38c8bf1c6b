import { AsyncLocalStorage } from "node:async_hooks"
import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { describe, expect, it } from "@effect/vitest"
import { Blocking, CancelReason, Deadline, Lease, type StopToken, Thread } from "@quiesce/core"
import { Cause, Effect, Exit, Fiber, Scope } from "effect"
import { afterEach, vi } from "vitest"
import { failureTag, makeHand, messages } from "./support.ts"

const now = { startImmediately: true } as const

/** Never ends by itself. */
const endless = (): never => {
  for (;;);
}

const polling = (token: { readonly check: () => void }): never => {
  for (;;) token.check()
}

/** Runs until the deadline has passed for a while. */
const pastDeadline = (token: { readonly interrupted: boolean }): string => {
  while (!token.interrupted);
  const until = Date.now() + 20
  while (Date.now() < until);
  return "went on"
}

/** Joins a thread with this work. */
const inThread = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(Thread.spawn(work, now), Thread.join))

const exceeded = (millis: number) => ({ _tag: "DeadlineExceeded", millis })

/** The error of a section under a deadline, in a thread. */
const error = (section: Parameters<typeof Blocking.interruptible>[0], millis = 5) =>
  inThread(Effect.flip(Deadline.within(Blocking.interruptible(section), millis)))

/**
 * Repeats with a longer and longer deadline. On a busy machine, the deadline may pass before the section does its part.
 */
const inTime = <A, E, R>(attempt: (millis: number, done: () => void) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    for (let millis = 5; ; millis *= 2) {
      let isDone = false
      const result = yield* attempt(millis, () => (isDone = true))
      if (isDone) return result
    }
  })

describe("Blocking.interruptible under a deadline, on a fiber", () => {
  for (const [name, section] of Object.entries({ "an endless loop": endless, "a loop with a token": polling })) {
    it.live(`interrupts the fiber, so that no handler of its causes runs: ${name}`, () =>
      Effect.gen(function* () {
        const log: Array<string> = []
        const goOn = Effect.sync(() => log.push("went on"))
        const handled = [
          Effect.andThen(Effect.exit(Blocking.interruptible(section)), goOn),
          Effect.catchCause(Blocking.interruptible(section), () => goOn)
        ]
        for (const work of [...handled, ...handled.map(inThread)]) {
          expect(yield* Effect.flip(Deadline.within(work, 5))).toMatchObject(exceeded(5))
        }
        expect(log).toEqual([])
      })
    )
  }

  it.live("is ended at the deadline, and the finalizers run in order", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const note = (name: string) => Effect.sync(() => log.push(name))
      const lease = (name: string) => Lease.acquire({ name, acquire: Effect.void, release: () => note(name) })
      const work = Effect.gen(function* () {
        yield* lease("outer")
        yield* lease("inner")
        yield* Effect.ensuring(Blocking.interruptible(endless), note("section"))
      })
      const thread = yield* Thread.spawn(Effect.flip(Deadline.within(Effect.scoped(work), 5)), now)
      expect(yield* Thread.join(thread)).toMatchObject(exceeded(5))
      expect(log).toEqual(["section", "inner", "outer"])
      expect(thread.reason).toBeUndefined()
    })
  )

  it.live("fails like a section whose token notices the deadline", () =>
    Effect.gen(function* () {
      const seen: Array<CancelReason.CancelReason> = []
      const work = (section: Parameters<typeof Blocking.interruptible>[0]) =>
        Effect.onExit(Blocking.interruptible(section), (exit) =>
          Effect.sync(() => {
            const {
              at: _,
              deadline: __,
              ...reason
            } = Exit.isFailure(exit)
              ? (CancelReason.allFromCause(exit.cause)[0] as CancelReason.CancelReason & { readonly deadline: number })
              : expect.fail("has no failure")
            seen.push(reason as CancelReason.CancelReason)
          })
        )
      for (const section of [endless, polling]) {
        expect(yield* inThread(Effect.flip(Deadline.within(work(section), 5)))).toMatchObject(exceeded(5))
      }
      expect(seen[0]).toMatchObject({ _tag: "DeadlineExceeded" })
      expect({ ...seen[0], message: "" }).toEqual({ ...seen[1], message: "" })
    })
  )

  it.live("is ended although it catches everything and continues", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const stubborn = (): never => {
        for (;;) {
          try {
            endless()
          } catch {
            log.push("catch")
          } finally {
            log.push("finally")
            // oxlint-disable-next-line no-unsafe-finally
            continue
          }
        }
      }
      expect(yield* error(stubborn)).toMatchObject(exceeded(5))
      expect(log).toEqual([])
    })
  )

  it.live("does not affect the event loop, promises and timers", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      yield* inTime((millis, done) =>
        error(() => {
          void Promise.resolve().then(() => log.push("promise"))
          process.nextTick(() => log.push("tick"))
          setImmediate(() => log.push("immediate"))
          done()
          endless()
        }, millis)
      )
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(() => setImmediate(resolve))))
      expect(new Set(log)).toEqual(new Set(["immediate", "promise", "tick"]))
    })
  )

  it.live("restores the stacks of later errors, if it is ended while it makes an error without a stack", () => {
    const before = Error.stackTraceLimit
    const run = { isWithoutStacks: false }
    const withoutStacks = () => {
      Error.stackTraceLimit = 0
      run.isWithoutStacks = true
      endless()
    }
    const attempt = (millis: number) =>
      inThread(Effect.flip(Deadline.within(Blocking.interruptible(withoutStacks), millis)))
    return Effect.gen(function* () {
      // On a busy machine, the deadline may pass before the section runs.
      for (let millis = 5; !run.isWithoutStacks; millis *= 2) yield* attempt(millis)
      const after = Error.stackTraceLimit
      // Other tests see stacks, too.
      Error.stackTraceLimit = before
      expect(after).toBe(before)
    })
  })

  it.live("restores the AsyncLocalStorage context of the fiber", () => {
    const storage = new AsyncLocalStorage<string>()
    const entering = () => {
      storage.enterWith("entered")
      storage.run("section", endless)
    }
    const work = Effect.gen(function* () {
      const seen: Array<string | undefined> = []
      yield* Effect.exit(
        Effect.ensuring(
          Deadline.within(Blocking.interruptible(entering), 5),
          Effect.sync(() => seen.push(storage.getStore()))
        )
      )
      seen.push(storage.getStore())
      yield* Effect.yieldNow
      return [...seen, storage.getStore()]
    })
    return Effect.promise(() => storage.run("fiber", () => Effect.runPromise(inThread(work)))).pipe(
      Effect.map((seen) => expect(seen).toEqual(["fiber", "fiber", "fiber"]))
    )
  })

  it.live("returns its value, its defect or its interrupt if it ends in time", () =>
    Effect.gen(function* () {
      const bad = new Error("bad")
      const cancelled = CancelReason.toError(CancelReason.interrupted({ message: "why" }))
      const results = yield* inThread(
        Effect.forEach([() => 1, () => raise(bad), () => raise(cancelled)], (section) =>
          Effect.exit(Deadline.within(Blocking.interruptible(section), "1 minute"))
        )
      )
      expect(results.slice(0, 2)).toEqual([Exit.succeed(1), Exit.die(bad)])
      expect(messages(results[2]!)).toEqual(["why"])
    })
  )

  it.live("does not begin after its deadline", () =>
    Effect.gen(function* () {
      let ran = false
      const work = Effect.gen(function* () {
        yield* Blocking.uninterruptible(() => pastDeadline({ interrupted: true }))
        yield* Blocking.interruptible(() => (ran = true))
      })
      expect(yield* inThread(failureTag(Deadline.within(work, 5)))).toBe("DeadlineExceeded")
      expect(ran).toBe(false)
    })
  )

  it.live("is not ended under a mask", () =>
    Effect.gen(function* () {
      const ends: Array<string> = []
      const masked = Effect.uninterruptible(Effect.map(Blocking.interruptible(pastDeadline), (end) => ends.push(end)))
      const inside = Effect.uninterruptible(Deadline.within(masked, 5))
      yield* inThread(Effect.exit(Deadline.within(masked, 5)))
      yield* inThread(Effect.exit(inside))
      expect(ends).toEqual(["went on", "went on"])
    })
  )

  it.live("is not ended in a finalizer or a release, also in a release with a limit", () =>
    Effect.gen(function* () {
      const ends: Array<string> = []
      const section = Effect.map(Blocking.interruptible(pastDeadline), (end) => ends.push(end))
      const lease = Lease.acquire({ name: "lease", acquire: Effect.void, release: () => section, releaseWithin: 5 })
      const work = Effect.ensuring(Effect.andThen(lease, Blocking.interruptible(endless)), Effect.orDie(section))
      yield* inThread(Effect.exit(Deadline.within(Effect.scoped(work), 5)))
      expect(ends).toEqual(["went on", "went on"])
    })
  )

  it.live("is ended in an interruptible part of a mask", () =>
    Effect.gen(function* () {
      const work = Effect.uninterruptibleMask((restore) => restore(Blocking.interruptible(endless)))
      expect(yield* inThread(Effect.flip(Deadline.within(work, 5)))).toMatchObject(exceeded(5))
    })
  )

  it.live("is ended at the earliest deadline around it, and the code around that deadline continues", () =>
    Effect.gen(function* () {
      const inner = Effect.flip(Deadline.within(Blocking.interruptible(endless), 5))
      expect(yield* inThread(Deadline.within(inner, "1 minute"))).toMatchObject(exceeded(5))
      const outer = Deadline.within(Deadline.within(Blocking.interruptible(endless), "1 minute"), 5)
      expect(yield* inThread(Effect.flip(outer))).toMatchObject(exceeded(5))
    })
  )

  it.live("in a child thread is ended at the deadline of the parent", () =>
    Effect.gen(function* () {
      const child = inThread(Blocking.interruptible(endless))
      expect(yield* inThread(Effect.flip(Deadline.within(child, 5)))).toMatchObject(exceeded(5))
    })
  )

  it.live("inside another section is part of that section, and both are ended", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const work = Effect.gen(function* () {
        const context = yield* Effect.context<never>()
        yield* Blocking.interruptible(() => {
          const inner = Effect.ensuring(
            Blocking.interruptible(endless),
            Effect.sync(() => log.push("inner"))
          )
          try {
            Effect.runSyncWith(context)(inner)
          } catch {
            log.push("caught")
          }
          endless()
        })
      })
      const after = Effect.ensuring(
        work,
        Effect.withFiber((fiber) => Effect.sync(() => log.push(String(Fiber.getCurrent() === fiber))))
      )
      expect(yield* inThread(Effect.flip(Deadline.within(after, 5)))).toMatchObject(exceeded(5))
      expect(log).toEqual(["true"])
    })
  )

  it.live("inside a section without a deadline is ended alone", () =>
    Effect.gen(function* () {
      const work = Effect.gen(function* () {
        const context = yield* Effect.context<never>()
        return yield* Blocking.interruptible(() =>
          Effect.runSyncWith(context)(Effect.flip(Deadline.within(Blocking.interruptible(endless), 5)))
        )
      })
      expect(yield* inThread(work)).toMatchObject(exceeded(5))
    })
  )

  it.live("keeps the reason of a thread that was also interrupted", () =>
    Effect.gen(function* () {
      const exit = yield* inTime((millis, done) => {
        const work = Effect.gen(function* () {
          const self = yield* Thread.current
          const context = yield* Effect.context<never>()
          yield* Blocking.interruptible(() => {
            Effect.runSyncWith(context)(
              Thread.interruptFork(self, { reason: CancelReason.interrupted({ message: "why" }) })
            )
            done()
            endless()
          })
        })
        return Effect.scoped(Effect.flatMap(Thread.spawn(Deadline.within(work, millis), now), Thread.await))
      })
      expect(new Set(messages(exit))).toEqual(new Set(["why"]))
    })
  )

  it.live("may notice the deadline by itself within its grace", () =>
    Effect.gen(function* () {
      const ended = yield* inTime((millis, done) => {
        const polite = (token: StopToken.StopToken): string => {
          done()
          return pastDeadline(token)
        }
        return inThread(Effect.exit(Deadline.within(Blocking.interruptible(polite, { grace: "1 minute" }), millis)))
      })
      expect(ended).toEqual(Exit.succeed("went on"))
      const late = Blocking.interruptible(endless, { grace: 5 })
      expect(yield* inThread(Effect.flip(Deadline.within(late, 5)))).toMatchObject(exceeded(5))
    })
  )

  it.live("does not affect the end of other threads if it was ended while it interrupted a thread", () =>
    Effect.gen(function* () {
      const context = yield* Effect.context<never>()
      let isInSection = false
      const stuck = Effect.onInterrupt(Effect.never, () => Effect.sync(() => isInSection && endless()))
      const round = Effect.gen(function* () {
        const thread = yield* Thread.spawn(stuck, now)
        yield* error(() => {
          isInSection = true
          Effect.runSyncWith(context)(Thread.interruptFork(thread))
          endless()
        }, 1)
        isInSection = false
      })
      // More steps of ending threads than may run inside each other. The stuck threads never end.
      const scope = yield* Scope.make()
      for (let count = 0; count < 70; count++) yield* Scope.provide(round, scope)
      const thread = yield* Thread.spawn(Effect.never, now)
      yield* Thread.interrupt(thread)
      expect((yield* Thread.status(thread))._tag).toBe("Done")
    })
  )

  it.effect("is not ended by another clock than the machine's", () =>
    Effect.gen(function* () {
      const { hand, provided } = makeHand()
      const section = (): string => {
        const until = Date.now() + 20
        while (Date.now() < until);
        return `at ${hand.now}`
      }
      const work = Deadline.within(Blocking.interruptible(section), 5)
      expect(yield* inThread(provided(work))).toBe("at 0")
    })
  )
})

const raise = (error: unknown): never => {
  throw error
}

describe("Blocking.preemption, on a fiber", () => {
  it.effect("reports that only a deadline ends a section", () =>
    Effect.gen(function* () {
      expect(yield* Blocking.preemption).toBe("deadline")
    })
  )
})

const getBuiltinModule = process.getBuiltinModule.bind(process)

/** The toolkit, loaded on a platform with these modules. */
const load = (modules: ((id: string) => unknown) | undefined) =>
  Effect.promise(() => {
    vi.resetModules()
    Reflect.set(process, "getBuiltinModule", modules)
    return import("@quiesce/core")
  })

/** `node:vm` with another way to run a script. */
const withRun = (runInThisContext: (run: () => unknown, options: { readonly timeout?: number }) => unknown) => {
  const vm = getBuiltinModule("node:vm")
  class Script extends vm.Script {
    override runInThisContext(options: { readonly timeout?: number } = {}): unknown {
      return runInThisContext(() => super.runInThisContext(options), options)
    }
  }
  return (id: string) => (id === "node:vm" ? { Script } : getBuiltinModule(id as "node:async_hooks"))
}

/** With these modules, nothing ends a section. */
const runsToItsEnd = (modules: ((id: string) => unknown) | undefined) =>
  Effect.gen(function* () {
    const core = yield* load(modules)
    const work = core.Deadline.within(core.Blocking.interruptible(pastDeadline), 5)
    const thread = yield* core.Thread.spawn(work, now)
    expect([yield* core.Blocking.preemption, yield* core.Thread.join(thread)]).toEqual(["none", "went on"])
  })

describe("Blocking, on a platform", () => {
  afterEach(() => {
    Reflect.set(process, "getBuiltinModule", getBuiltinModule)
    vi.resetModules()
  })

  it.live("without built-in modules lets a section run to its end, and reports that", () => runsToItsEnd(undefined))

  const missing: ReadonlyArray<readonly [string, (id: string) => unknown]> = [
    ["without a module of scripts", () => undefined],
    [
      "that ignores the limit of a script",
      (id) => (id === "node:vm" ? ignoring : getBuiltinModule("node:async_hooks"))
    ],
    [
      "that refuses each limit",
      withRun((run, { timeout }) => (timeout === undefined ? run() : raise(new TypeError("no"))))
    ]
  ]
  for (const [what, modules] of missing) {
    it.live(`${what} lets a section run to its end`, () => runsToItsEnd(modules))
  }

  it.live("whose watchdog fires just after the end of a section, keeps the value", () =>
    Effect.gen(function* () {
      const late = withRun((run, { timeout }) => {
        const result = run()
        if (timeout === 60_001) throw Object.assign(new Error("late"), { code: "ERR_SCRIPT_EXECUTION_TIMEOUT" })
        return result
      })
      const core = yield* load(late)
      expect(yield* core.Blocking.preemption).toBe("deadline")
      const work = core.Deadline.within(
        core.Blocking.interruptible(() => "value"),
        "1 minute"
      )
      const thread = yield* core.Thread.spawn(Effect.repeat(work, { times: 20 }), now)
      expect(yield* core.Thread.join(thread)).toBe("value")
    })
  )

  it.live("with an error of its own in the call turns that error into a defect", () =>
    Effect.gen(function* () {
      const failing = withRun((run, { timeout = 0 }) => (timeout > 50_000 ? raise(new RangeError("no room")) : run()))
      const core = yield* load(failing)
      const work = core.Deadline.within(
        core.Blocking.interruptible(() => "value"),
        "1 minute"
      )
      const thread = yield* core.Thread.spawn(work, now)
      const exit = yield* core.Thread.await(thread)
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toBeInstanceOf(RangeError)
    })
  )
})

/** A module of scripts. Its scripts have no limit, and ignore the option. */
const ignoring = {
  Script: class {
    private readonly script: { readonly runInThisContext: () => unknown }

    constructor(code: string) {
      const { Script } = getBuiltinModule("node:vm")
      this.script = new Script(code)
    }

    runInThisContext(): unknown {
      return this.script.runInThisContext()
    }
  }
}

/** Each kind of section in all surroundings, twice. */
const ended = 224
const natural = 100

const versions = [22, 24].map(
  (major) => [`Node ${major}`, join(import.meta.dirname, `../../../node_modules/node-${major}/bin/node`)] as const
)

describe.each([[`Node ${process.versions.node}`, process.execPath] as const, ...versions])(
  "Blocking.interruptible, on %s (skipped where the dependency has no binary: it is for Linux on x64)",
  (_, node) => {
    it.skipIf(!existsSync(node))(
      "is ended in all kinds of code and surroundings, and has one clean outcome at about the limit",
      async () => {
        const program = join(import.meta.dirname, "fixtures/sections-main.ts")
        const flags = ["--expose-gc", "--max-semi-space-size=4", "--disable-warning=ExperimentalWarning"]
        const { stdout } = await promisify(execFile)(node, [...flags, program, String(ended), String(natural)])
        const tally: unknown = JSON.parse(stdout)
        expect(tally).toMatchObject({ ended, finalizers: 3 * (ended + natural) })
      }
    )
  }
)
