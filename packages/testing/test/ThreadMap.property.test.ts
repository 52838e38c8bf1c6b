/**
 * Three fibers perform random operations on a map at once, in random orders of their steps. The exits are compared with
 * a list of all threads.
 */
import { Thread, ThreadMap } from "@quiesce/core"
import { Interleaving } from "@quiesce/testing"
import { Cause, Effect, Exit, Fiber, Option, Scope } from "effect"
import * as fc from "fast-check"
import { expect, it } from "vitest"

type Key = "a" | "b"

/** The body of a thread. Each number is a count of yields. */
type Work =
  | { readonly _tag: "Succeeds"; readonly after: number }
  | { readonly _tag: "Fails"; readonly after: number }
  | { readonly _tag: "Waits"; readonly cleanup: number }
  | { readonly _tag: "Masked"; readonly after: number }

type Operation =
  | {
      readonly _tag: "Run"
      readonly key: Key
      readonly work: Work
      readonly onlyIfMissing: boolean
      readonly now: boolean
    }
  | { readonly _tag: "Remove"; readonly key: Key }
  | { readonly _tag: "Clear" }
  | { readonly _tag: "Interrupt"; readonly key: Key }
  | { readonly _tag: "Look" }
  | { readonly _tag: "Yield" }

const key = fc.constantFrom<Key>("a", "b")
const few = fc.nat(3)
const work: fc.Arbitrary<Work> = fc.oneof(
  fc.record({ _tag: fc.constant("Succeeds" as const), after: few }),
  fc.record({ _tag: fc.constant("Fails" as const), after: few }),
  fc.record({ _tag: fc.constant("Waits" as const), cleanup: few }),
  fc.record({ _tag: fc.constant("Masked" as const), after: few })
)
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("Run" as const),
      key,
      work,
      onlyIfMissing: fc.boolean(),
      now: fc.boolean()
    })
  },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Remove" as const), key }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Clear" as const) }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Interrupt" as const), key }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Look" as const) }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("Yield" as const) }) }
)
const program = fc.array(fc.array(operation, { minLength: 1, maxLength: 6 }), { minLength: 3, maxLength: 3 })

/** A thread in the list of the model. */
interface Listed {
  readonly key: Key
  readonly work: Work
  readonly thread: Thread.Thread<unknown, string>
  /** Whether another operation may have ended the thread. */
  disturbed: boolean
}

const yields = (count: number) => Effect.replicateEffect(Effect.yieldNow, count)

class Model {
  readonly list: Array<Listed> = []
  /** The running bodies by key. */
  private readonly running: Map<Key, number> = new Map()

  alive(): ReadonlyArray<Listed> {
    return this.list.filter(({ thread }) => isAlive(thread))
  }

  /** The youngest live thread of each key. */
  youngest(): ReadonlyMap<Key, Thread.Thread<unknown, string>> {
    return new Map(this.alive().map(({ key, thread }) => [key, thread]))
  }

  disturb(key?: Key): ReadonlyArray<Listed> {
    const ended = this.alive().filter((listed) => key === undefined || listed.key === key)
    for (const listed of ended) listed.disturbed = true
    return ended
  }

  /** The body of a thread, which checks that no other body of the same key runs. */
  body(key: Key, work: Work): Effect.Effect<string, string> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        const others = this.running.get(key) ?? 0
        this.running.set(key, others + 1)
        if (others > 0) throw new Error(`Two bodies of "${key}" run at the same time`)
      }),
      () => bodyOf(work),
      () =>
        Effect.andThen(
          yields(work._tag === "Waits" ? work.cleanup : 0),
          Effect.sync(() => this.running.set(key, this.running.get(key)! - 1))
        )
    )
  }
}

const bodyOf = (work: Work): Effect.Effect<string, string> => {
  switch (work._tag) {
    case "Succeeds":
      return Effect.as(yields(work.after), "done")
    case "Fails":
      return Effect.andThen(yields(work.after), Effect.fail("no"))
    case "Masked":
      return Effect.uninterruptible(Effect.as(yields(work.after), "done"))
    case "Waits":
      return Effect.never
  }
}

const isAlive = (thread: Thread.Thread<unknown, unknown>): boolean => Effect.runSync(Thread.isAlive(thread))

type Threads = ThreadMap.ThreadMap<Key, string>

const perform = (map: Threads, model: Model, operation: Operation): Effect.Effect<unknown> => {
  switch (operation._tag) {
    case "Run":
      return run(map, model, operation)
    case "Remove":
      return Effect.suspend(() => ends(model.disturb(operation.key), ThreadMap.remove(map, operation.key)))
    case "Clear":
      return Effect.suspend(() => ends(model.disturb(), ThreadMap.clear(map)))
    case "Interrupt":
      return Effect.suspend(() => {
        const listed = model.alive().findLast(({ key }) => key === operation.key)
        if (listed === undefined) return Effect.void
        listed.disturbed = true
        return Thread.interrupt(listed.thread)
      })
    case "Look":
      return look(map, model)
    case "Yield":
      return Effect.yieldNow
  }
}

const run = (map: Threads, model: Model, { key, now, onlyIfMissing, work }: Operation & { readonly _tag: "Run" }) =>
  Effect.suspend(() => {
    const isTaken = model.youngest().has(key)
    if (!onlyIfMissing) model.disturb(key)
    const options = { onlyIfMissing, startImmediately: now }
    return Effect.map(ThreadMap.run(map, key, model.body(key, work), options), (thread) => {
      if (onlyIfMissing && isTaken) expect(isAlive(thread), "a second thread beside the first").toBe(false)
      else model.list.push({ key, work, thread, disturbed: false })
    })
  })

/** Performs an operation that has to wait for the end of threads. */
const ends = (threads: ReadonlyArray<Listed>, operation: Effect.Effect<void>) =>
  Effect.map(operation, () => {
    expect(
      threads.filter(({ thread }) => isAlive(thread)),
      "threads that were not awaited"
    ).toEqual([])
  })

const look = (map: Threads, model: Model) =>
  Effect.gen(function* () {
    const youngest = model.youngest()
    expect(new Map(map), "the threads by key").toEqual(youngest)
    expect(yield* ThreadMap.size(map)).toBe(youngest.size)
    for (const key of ["a", "b"] as const) {
      expect(Option.getOrUndefined(yield* ThreadMap.get(map, key))).toBe(youngest.get(key))
      expect(yield* ThreadMap.has(map, key)).toBe(youngest.has(key))
    }
  })

const expected = (work: Work): Exit.Exit<string, string> =>
  work._tag === "Fails" ? Exit.fail("no") : Exit.succeed("done")

/** Performs the operations of each fiber, then closes the map, and compares all exits. */
const performAll = (fibers: ReadonlyArray<ReadonlyArray<Operation>>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const model = new Model()
    const scope = yield* Scope.make()
    const map = yield* Scope.provide(ThreadMap.make<Key, string>(), scope)
    const joiner = yield* Effect.forkChild(ThreadMap.join(map))
    yield* Effect.forEach(fibers, (each) => Effect.forEach(each, (one) => perform(map, model, one)), {
      concurrency: "unbounded",
      discard: true
    })
    yield* look(map, model)
    model.disturb()
    const emptied = yield* Effect.forkChild(ThreadMap.awaitEmpty(map))
    yield* Scope.close(scope, Exit.void)
    yield* Fiber.join(emptied)
    yield* look(map, model)
    expect(model.alive()).toEqual([])
    let failed = false
    for (const { disturbed, thread, work } of model.list) {
      const exit = yield* Thread.await(thread)
      if (!disturbed) expect(exit).toEqual(expected(work))
      if (Exit.isSuccess(exit)) continue
      expect(exit.cause.reasons.filter(Cause.isDieReason)).toEqual([])
      failed ||= exit.cause.reasons.some(Cause.isFailReason)
    }
    expect(yield* Fiber.await(joiner)).toEqual(failed ? Exit.fail("no") : Exit.void)
  })

it("ThreadMap has the exits that a list of all its threads predicts, in each order of steps", async () => {
  const property = fc.asyncProperty(program, async (fibers) => {
    await Effect.runPromise(Interleaving.check(performAll(fibers), { seeds: 5 }))
  })
  await fc.assert(property, { numRuns: 200 })
})
