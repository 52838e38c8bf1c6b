import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Lease, Thread } from "@quiesce/core"
import { Context, Effect, type Exit } from "effect"
import { messages } from "./support.ts"

class Greeting extends Context.Service<Greeting, string>()("Greeting") {}

const now = { startImmediately: true } as const

/** A thread that passes its runtime to a callback and waits. */
const holding = Effect.gen(function* () {
  let run: Thread.Runtime | undefined
  const body = Effect.flatMap(Thread.runtime(), (given) => {
    run = given
    return Effect.never
  })
  const thread = yield* Thread.spawn(body, { ...now, name: "holder" })
  return { thread, run: run! }
})

describe("Thread.runtime", () => {
  it.effect("runs an effect as a child of the thread, with the services of the fiber", () =>
    Effect.gen(function* () {
      const run = yield* Thread.runtime<Greeting>()
      const thread = yield* Effect.promise(() => run(Effect.all([Thread.current, Greeting])))
      expect(thread[0].parent).toBe(yield* Thread.current)
      expect(thread[1]).toBe("hello")
      yield* Effect.promise(() => expect(run(Effect.fail("no"))).rejects.toBe("no"))
    }).pipe(Effect.provideService(Greeting, "hello"))
  )

  it.effect("ends with the thread: finalizers run, and the Promise rejects with the reason", () =>
    Effect.gen(function* () {
      const { thread, run } = yield* holding
      const lease = Lease.acquire({ name: "file", acquire: Effect.void, release: () => Effect.void })
      const rejected = run(Effect.scoped(Effect.andThen(lease, Effect.never))).catch((error: unknown) => error)
      yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "why" }) })
      const error = yield* Effect.promise(() => rejected)
      expect(error).toMatchObject({ name: "AbortError", reason: { message: "why" } })
      expect(yield* Lease.tally(thread)).toMatchObject({ acquired: 1, released: 1 })
      const late = yield* Effect.promise(() => run(Effect.void).catch((reason: unknown) => reason))
      expect(late).toMatchObject({ name: "AbortError" })
    })
  )

  it.effect("is interrupted by its signal, whose reason rejects the Promise, and the thread continues", () =>
    Effect.gen(function* () {
      const { thread, run } = yield* holding
      const controller = new AbortController()
      const exits: Array<Exit.Exit<unknown, unknown>> = []
      const work = Effect.onExit(Effect.never, (exit) => Effect.sync(() => exits.push(exit)))
      const rejected = run(work, { signal: controller.signal }).catch((error: unknown) => error)
      controller.abort(new Error("gone"))
      expect(yield* Effect.promise(() => rejected)).toBe(controller.signal.reason)
      expect(exits.flatMap(messages)).toEqual(["Aborted: gone"])
      expect(yield* Thread.isAlive(thread)).toBe(true)
    })
  )
})
