import * as SharedSemaphore from "@quiesce/worker-threads/SharedSemaphore"
import { Deferred, Effect, Exit, type Fiber, Scope } from "effect"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"

/** One request of the real semaphore: a fiber that requests permits, and holds them until its scope is closed. */
interface Asker {
  readonly permits: number
  readonly scope: Scope.Closeable
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly got: Deferred.Deferred<void>
}

/** The same request in the model. The oldest is the first. */
interface Modelled {
  readonly asker: Asker
  holds: boolean
}

/** A queue whose first request is granted as soon as there are enough permits. */
class Model {
  queue: Array<Modelled> = []
  readonly permits: number

  constructor(permits: number) {
    this.permits = permits
  }

  get free(): number {
    return this.permits - this.queue.reduce((sum, one) => sum + (one.holds ? one.asker.permits : 0), 0)
  }

  get status(): SharedSemaphore.Status {
    const held = this.queue.filter((one) => one.holds).length
    return { free: this.free, held, waiting: this.queue.length - held }
  }

  settle(): void {
    for (const one of this.queue) {
      if (one.holds) continue
      if (one.asker.permits > this.free) return
      one.holds = true
    }
  }

  remove(one: Modelled): void {
    this.queue = this.queue.filter((other) => other !== one)
    this.settle()
  }
}

const ask = (semaphore: SharedSemaphore.SharedSemaphore, permits: number): Asker => {
  const scope = Scope.makeUnsafe()
  const got = Deferred.makeUnsafe<void>()
  const taken = Effect.andThen(SharedSemaphore.take(semaphore, permits), Deferred.succeed(got, undefined))
  return { permits, scope, got, fiber: Effect.runFork(Scope.provide(taken, scope)) }
}

type Step =
  | { readonly _tag: "Ask" | "AskNow"; readonly permits: number }
  /** Ends a request in any state: the request is cancelled, or its permits are released. */
  | { readonly _tag: "End"; readonly which: number }
  /** Runs the waiters of all granted requests. */
  | { readonly _tag: "RunWaiters" }

const permits = fc.integer({ min: 1, max: 4 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ _tag: fc.constantFrom("Ask", "AskNow"), permits }) },
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("End"), which: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ _tag: "RunWaiters" }) }
)

/** Ends a request in one turn, so that more steps can come between a grant and its waiter. */
const end = (asker: Asker): void => {
  asker.fiber.interruptUnsafe()
  Effect.runFork(Scope.close(asker.scope, Exit.void))
}

const runWaiters = (model: Model): Promise<unknown> =>
  Promise.all(model.queue.filter((one) => one.holds).map((one) => Effect.runPromise(Deferred.await(one.asker.got))))

const take = async (semaphore: SharedSemaphore.SharedSemaphore, model: Model, step: Step): Promise<void> => {
  switch (step._tag) {
    case "Ask":
      model.queue.push({ asker: ask(semaphore, step.permits), holds: false })
      return model.settle()
    case "AskNow": {
      const fits = step.permits <= model.free && model.status.waiting === 0
      const got = Effect.runSync(Effect.scoped(SharedSemaphore.tryTake(semaphore, step.permits)))
      return expect(got._tag).toBe(fits ? "Some" : "None")
    }
    case "End": {
      const one = model.queue[step.which % Math.max(1, model.queue.length)]
      if (one === undefined) return
      end(one.asker)
      return model.remove(one)
    }
    case "RunWaiters": {
      await runWaiters(model)
      for (const one of model.queue) expect(Deferred.isDoneUnsafe(one.asker.got)).toBe(one.holds)
    }
  }
}

describe("did-not-happen", () => {
  it("SharedSemaphore agrees with a plain queue for all requests, releases and cancels, before or after the waiter runs", () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const semaphore = SharedSemaphore.makeUnsafe({ permits: 4 })
        const model = new Model(4)
        for (const step of steps) {
          await take(semaphore, model, step)
          expect(Effect.runSync(SharedSemaphore.status(semaphore))).toEqual(model.status)
        }
        await take(semaphore, model, { _tag: "RunWaiters" })
        for (const one of model.queue) end(one.asker)
        expect(Effect.runSync(SharedSemaphore.status(semaphore))).toEqual({ free: 4, held: 0, waiting: 0 })
      }),
      { numRuns: 300 }
    ))
})
