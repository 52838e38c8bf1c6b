import { describe, expect, it } from "@effect/vitest"
import { Abort, CancelReason, Deadline, Lease, StopToken, Thread } from "@quiesce/core"
import { Context, Effect, Option } from "effect"

class Greeting extends Context.Service<Greeting, string>()("Greeting") {}

const taken = Effect.context<never>()

describe("Abort.runWith", () => {
  it("runs with the services of a context, and rejects with the signal's own reason after the finalizers", async () => {
    const run = Abort.runWith(Context.make(Greeting, "hello"))
    expect(await run(Effect.map(Greeting, (text) => text))).toBe("hello")
    const controller = new AbortController()
    let released = false
    const waiting = run(
      Effect.ensuring(
        Effect.never,
        Effect.sync(() => (released = true))
      ),
      { signal: controller.signal }
    )
    controller.abort("reason")
    await expect(waiting).rejects.toBe("reason")
    expect(released).toBe(true)
  })

  const where = {
    "a thread": (context: typeof taken) => Effect.flatMap(Thread.spawn(context), Thread.join),
    "Deadline.within": Deadline.within("1 hour"),
    "Abort.interruptOn": Abort.interruptOn(new AbortController().signal),
    "Abort.run": (context: typeof taken) =>
      Effect.promise(() => Abort.run(context, { signal: new AbortController().signal }))
  }

  for (const [name, inside] of Object.entries(where)) {
    it.effect(`keeps the reason with a context from inside ${name}`, () =>
      Effect.gen(function* () {
        const controller = new AbortController()
        const seen: Array<unknown> = []
        const wait = Effect.onExit(Effect.never, (exit) => Effect.sync(() => seen.push(CancelReason.fromExit(exit))))
        const started = Effect.sync(() => controller.abort("reason"))
        const work = Effect.all([wait, Effect.race(wait, wait), started], { concurrency: "unbounded" })
        const context = yield* inside(taken)
        yield* Effect.promise(() => Abort.runWith(context)(work, { signal: controller.signal }).catch(() => {}))
        const reason = Option.some(expect.objectContaining({ _tag: "Aborted", message: "Aborted: reason" }))
        expect(seen).toEqual([reason, reason, reason])
      }).pipe(Effect.scoped)
    )
  }

  it.effect("runs outside the thread, deadline and release of its caller, also with a context from inside these", () =>
    Effect.gen(function* () {
      let context = yield* taken
      const take = Effect.map(taken, (inside) => (context = inside))
      const lease = Lease.acquire({ name: "lease", acquire: Effect.void, release: () => take })
      const thread = yield* Thread.spawn(Deadline.within(Effect.scoped(lease), "1 hour"))
      yield* Thread.join(thread)
      const inside = Effect.all([Thread.isMain, Deadline.Current, Thread.current, StopToken.current])
      const [isMain, deadline, current, token] = yield* Effect.promise(() => Abort.runWith(context)(inside))
      expect([isMain, deadline, current.parent, token.stopRequested]).toEqual([true, Infinity, undefined, false])
    }).pipe(Effect.scoped)
  )
})
