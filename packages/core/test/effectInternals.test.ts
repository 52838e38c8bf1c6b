import { describe, expect, it } from "@effect/vitest"
import type * as Core from "@quiesce/core"
import { Effect, Exit, Latch, Logger, Scope } from "effect"
import { afterEach, beforeEach, vi } from "vitest"
import { messages, settle } from "./support.ts"

/** The reaction of the scopes in this file to a state that other code than Effect has written. */
const effects = vi.hoisted(() => ({
  written: "as today" as "as today" | "ignored" | "refused" | "run twice",
  added: 0
}))

/** The same state with a finalizer that runs twice. */
const twice = (next: Scope.State.Open): Scope.State.Open => ({
  ...next,
  finalizer: (exit) =>
    Effect.andThen(
      next.finalizer!(exit),
      Effect.suspend(() => next.finalizer!(exit))
    )
})

vi.mock("effect/Scope", async (original) => {
  const real = await original<typeof Scope>()
  let isAdding = false
  const forkUnsafe: typeof Scope.forkUnsafe = (parent, strategy) => {
    const scope = real.forkUnsafe(parent, strategy)
    let { state } = scope
    if (effects.written === "as today") return scope
    return Object.defineProperty(scope, "state", {
      get: () => state,
      set: (next: Scope.State.Open | Scope.State.Closed | Scope.State.Empty) => {
        if (next._tag !== "Open" || isAdding) state = next
        else if (effects.written === "refused") throw new TypeError("state is read-only")
        else if (effects.written === "run twice") state = twice(next)
      }
    })
  }
  const addFinalizerExit: typeof Scope.addFinalizerExit = (scope, finalizer) =>
    Effect.sync(() => {
      isAdding = true
      effects.added++
      Effect.runSync(real.addFinalizerExit(scope, finalizer))
      isAdding = false
    })
  return { ...real, forkUnsafe, addFinalizerExit }
})

/** The toolkit, loaded in a process with a certain Effect, and the warnings that it logs there. */
const load = (written: typeof effects.written) =>
  Effect.gen(function* () {
    effects.written = written
    const core = yield* Effect.promise(() => import("@quiesce/core"))
    const warnings: Array<unknown> = []
    const logger = Logger.make(({ logLevel, message }) => void warnings.push([logLevel, message].join(": ")))
    return { core, warnings, logged: Effect.provide(Logger.layer([logger])) }
  })

/** Spawns two threads with a lease each into a scope. The first thread ends by itself before the scope closes. */
const twoThreads = ({ Lease, Thread }: typeof Core, events: Array<string>) =>
  Effect.gen(function* () {
    const held = (name: string, work: Effect.Effect<void>) =>
      Thread.spawn(
        Effect.andThen(
          Lease.acquire({
            name,
            acquire: Effect.void,
            release: () => Effect.sync(() => events.push(`${name} released`))
          }),
          work
        ),
        { startImmediately: true }
      )
    const scope = yield* Scope.make()
    const first = yield* Scope.provide(held("first", Effect.void), scope)
    yield* Thread.await(first)
    events.push(`the scope is ${scope.state._tag}`)
    const second = yield* Scope.provide(held("second", Effect.never), scope)
    events.push(`the scope is ${scope.state._tag}`)
    yield* Scope.close(scope, Exit.void)
    events.push((yield* Thread.status(second))._tag)
  })

const released = ["first released", "the scope is Empty", "the scope is Open", "second released", "Done"]

beforeEach(() => {
  vi.resetModules()
  effects.added = 0
})

afterEach(() => {
  effects.written = "as today"
})

describe("a spawned thread ends with its scope, and leaves the scope when it ends before", () => {
  it.effect("with this Effect: the finalizer is written, and nothing is logged", () =>
    Effect.gen(function* () {
      const { core, warnings, logged } = yield* load("as today")
      const events: Array<string> = []
      yield* logged(twoThreads(core, events))
      expect(events).toEqual(released)
      yield* settle
      expect(warnings).toEqual([])
      effects.added = 0
      yield* Effect.scoped(core.Thread.spawn(Effect.void))
      expect(effects.added).toBe(0)
    })
  )

  for (const written of ["ignored", "refused", "run twice"] as const) {
    it.effect(`if a written finalizer is ${written}: the finalizer is added, and one warning is logged`, () =>
      Effect.gen(function* () {
        const { core, warnings, logged } = yield* load(written)
        const events: Array<string> = []
        yield* logged(twoThreads(core, events))
        expect(events).toEqual(released)
        yield* logged(twoThreads(core, events))
        expect(events).toEqual([...released, ...released])
        yield* settle
        expect(warnings).toHaveLength(1)
        expect(warnings[0]).toMatch(
          /^Warn: .*another version of Effect.*spawning a thread takes about an eighth longer/
        )
      })
    )
  }
})

const differences = {
  "interruptUnsafe adds a second interrupt": (prototype: object) =>
    wrap(prototype, "interruptUnsafe", function (original, args) {
      original.apply(this, args)
      original.call(this, 4711)
    }),
  "a field has another name": (prototype: object) =>
    Object.defineProperty(prototype, "_interruptedCause", {
      configurable: true,
      get(this: object): unknown {
        return Reflect.get(this, "renamed")
      },
      set(this: object, cause: unknown): void {
        Reflect.set(this, "renamed", cause)
      }
    }),
  "evaluate refuses exits from outside": (prototype: object) => {
    let isInside = false
    wrap(prototype, "interruptUnsafe", function (original, args) {
      isInside = true
      original.apply(this, args)
      isInside = false
    })
    wrap(prototype, "evaluate", function (original, args) {
      if (!isInside && Exit.isExit(args[0]) && Exit.isFailure(args[0])) throw new TypeError("evaluate is private")
      return original.apply(this, args)
    })
  }
}

type Method = (...args: Array<unknown>) => unknown

const wrap = (
  prototype: object,
  name: string,
  around: (this: unknown, original: Method, args: Array<unknown>) => unknown
): void => {
  const original: Method = Reflect.get(prototype, name)
  Object.defineProperty(prototype, name, {
    configurable: true,
    writable: true,
    value(this: unknown, ...args: Array<unknown>): unknown {
      return around.call(this, original, args)
    }
  })
}

/** Changes the fibers of Effect until the scope closes, and counts the calls of `interruptUnsafe`. */
const changeFibers = (change: (prototype: object) => unknown) => {
  const prototype: object = Object.getPrototypeOf(Effect.runFork(Effect.void))
  const today = Object.getOwnPropertyDescriptors(prototype)
  const calls = { interruptUnsafe: 0 }
  return Effect.acquireRelease(
    Effect.sync(() => {
      change(prototype)
      wrap(prototype, "interruptUnsafe", function (original, args) {
        calls.interruptUnsafe++
        return original.apply(this, args)
      })
      return calls
    }),
    () =>
      Effect.sync(() => {
        for (const name of Object.getOwnPropertyNames(prototype)) {
          if (!Object.hasOwn(today, name)) Reflect.deleteProperty(prototype, name)
        }
        Object.defineProperties(prototype, today)
      })
  )
}

/** Interrupts a suspended thread, a masked thread and a thread that runs. Returns the messages of their exits. */
const interruptThree = ({ CancelReason, Thread }: typeof Core) =>
  Effect.gen(function* () {
    const why = CancelReason.shutdown({ message: "Tea time" })
    const latch = yield* Latch.make()
    const itself = Effect.flatMap(Thread.current, (thread) => Thread.interruptFork(thread, { reason: why }))
    const suspended = yield* Thread.spawn(Effect.never, { startImmediately: true })
    const masked = yield* Thread.spawn(Effect.uninterruptible(Latch.await(latch)), { startImmediately: true })
    const running = yield* Thread.spawn(Effect.andThen(itself, Effect.never), { startImmediately: true })
    yield* Thread.interruptFork(suspended, { reason: why })
    yield* Thread.interruptFork(masked, { reason: why })
    const early = (yield* Thread.status(masked))._tag
    yield* Latch.open(latch)
    const exits = yield* Effect.forEach([suspended, masked, running], (thread) => Thread.await(thread))
    return [early, ...exits.map((exit) => messages(exit)[0])]
  }).pipe(Effect.scoped)

const interrupted = ["Cancelled", "Tea time", "Tea time", "Tea time"]

describe("an interrupted thread ends for its reason, as soon as its mask allows", () => {
  it.effect("with this Effect: fibers get a ready Cause, and nothing is logged", () =>
    Effect.gen(function* () {
      const { core, warnings, logged } = yield* load("as today")
      yield* logged(interruptThree(core))
      const calls = yield* changeFibers(() => {})
      expect(yield* logged(interruptThree(core))).toEqual(interrupted)
      expect(calls.interruptUnsafe).toBe(0)
      yield* settle
      expect(warnings).toEqual([])
    }).pipe(Effect.scoped)
  )

  for (const [difference, change] of Object.entries(differences)) {
    it.effect(`if ${difference}: each fiber is interrupted by interruptUnsafe, and one warning is logged`, () =>
      Effect.gen(function* () {
        const { core, warnings, logged } = yield* load("as today")
        const calls = yield* changeFibers(change)
        expect(yield* logged(interruptThree(core))).toEqual(interrupted)
        calls.interruptUnsafe = 0
        expect(yield* logged(interruptThree(core))).toEqual(interrupted)
        expect(calls.interruptUnsafe).toBe(3)
        yield* settle
        expect(warnings).toHaveLength(1)
        expect(warnings[0]).toMatch(/^Warn: .*another version of Effect.*the end of a large group takes twice as long/)
      }).pipe(Effect.scoped)
    )
  }
})
