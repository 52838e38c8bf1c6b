import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Thread } from "@quiesce/core"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Cause, Deferred, Effect, Exit, Fiber, Latch, Schema } from "effect"
import { schemaKey } from "../src/internal/receiving.ts"
import { endsIn, defectTag, hung, messages, settle } from "./support.ts"

const now = { startImmediately: true } as const

class Reload extends Schema.TaggedError<Reload>()("Reload", { file: Schema.String }) {}
class Flush extends Schema.TaggedError<Flush>()("Flush", {}) {}

/** Raises an error into a region, and returns the error that the region fails with. */
const received = <E>(region: Effect.Effect<never, E>, error: Thread.Raisable) =>
  Effect.scoped(
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.flip(region), now)
      expect(yield* Thread.raise(thread, error)).toBe(true)
      return yield* Thread.join(thread)
    })
  )

describe("Thread.receive", () => {
  it("uses the key of Effect's Schemas", () => {
    expect(Schema.isSchema({ [schemaKey]: schemaKey })).toBe(true)
  })

  it.effect("of several classes accepts an error of each, in front of an effect and in a pipe", () =>
    Effect.gen(function* () {
      const regions = [Thread.receive(Effect.never, Reload, Flush), Effect.never.pipe(Thread.receive(Reload, Flush))]
      for (const region of regions) {
        for (const error of [new Reload({ file: "a" }), new Flush()]) expect(yield* received(region, error)).toBe(error)
      }
    })
  )

  it.effect("of a union accepts an error of each member", () =>
    Effect.gen(function* () {
      const region = Thread.receive(Effect.never, Schema.Union([Reload, Flush]))
      for (const error of [new Reload({ file: "a" }), new Flush()]) expect(yield* received(region, error)).toBe(error)
    })
  )

  it.effect("of several classes decodes an error from another thread by the class that accepts it", () =>
    Effect.gen(function* () {
      const region = Thread.receive(Effect.never, Reload, Flush)
      const flush = yield* received(region, ThreadAdapter.encodedError({ _tag: "Flush" }))
      const reload = yield* received(region, ThreadAdapter.encodedError({ _tag: "Reload", file: "a" }))
      expect([flush, reload]).toEqual([new Flush(), new Reload({ file: "a" })])
    })
  )

  it.effect("refuses a value that is no Schema, also on the main thread", () =>
    Effect.gen(function* () {
      class Plain extends Error {}
      // A caller without types could pass such values.
      for (const given of [Plain, undefined, "Reload"] as ReadonlyArray<unknown> as ReadonlyArray<typeof Reload>) {
        expect(yield* defectTag(Thread.receive(Effect.void, Flush, given))).toBe("InvalidReceivable")
        expect(yield* defectTag(Effect.void.pipe(Thread.receive(given)))).toBe("InvalidReceivable")
      }
    })
  )

  it.effect("of several classes passes other errors to the region around it", () =>
    Effect.gen(function* () {
      const inner = Thread.receive(Effect.never, Reload, Schema.instanceOf(RangeError))
      const region = Effect.catchTag(inner, "Reload", () => Effect.die("the inner region took the error")).pipe(
        Thread.receive(Flush)
      )
      const flush = new Flush()
      expect(yield* received(region, flush)).toBe(flush)
    })
  )
})

describe("Thread.raise", () => {
  it.effect("decodes an error from another thread once by each Schema, in any number of regions", () =>
    Effect.gen(function* () {
      let decodings = 0
      const Other = Schema.declare((u): u is Flush => {
        decodings++
        return u instanceof Flush
      })
      const gate = yield* Latch.make()
      const region = Thread.receive(Effect.void, Other)
      const thread = yield* Thread.spawn(Effect.andThen(gate.await, Effect.repeat(region, { times: 99 })), now)
      const raises = yield* Effect.forEach(Array.from({ length: 50 }), (_, index) =>
        Effect.forkChild(Thread.raise(thread, ThreadAdapter.encodedError(index)), now)
      )
      yield* gate.open
      yield* Thread.await(thread)
      expect(yield* Effect.forEach(raises, Fiber.join)).toEqual(raises.map(() => false))
      expect(decodings).toBe(50)
    })
  )

  it.effect(
    "with a commit, does not affect the region until then, and another raise can have the region after a withdrawal",
    () =>
      Effect.gen(function* () {
        const thread = yield* Thread.spawn(Effect.flip(Thread.receive(Effect.never, Reload)), now)
        const commits: Array<() => void> = []
        const raised = (file: string) =>
          Effect.forkChild(
            Thread.raise(
              thread,
              ThreadAdapter.encodedError({ _tag: "Reload", file }, (commit) => commits.push(commit))
            ),
            now
          )
        const first = yield* raised("a")
        const second = yield* raised("b")
        yield* settle
        expect(commits).toHaveLength(1)
        expect(yield* Thread.isAlive(thread)).toBe(true)
        yield* Fiber.interrupt(first)
        expect(commits).toHaveLength(2)
        commits[0]!()
        yield* settle
        expect(yield* Thread.isAlive(thread)).toBe(true)
        commits[1]!()
        expect(yield* Thread.join(thread)).toEqual(new Reload({ file: "b" }))
        expect(yield* Fiber.join(second)).toBe(true)
      })
  )

  it.effect("with a commit, goes to the next region if the reserved one has ended before, and commits only once", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(
        Effect.andThen(Thread.receive(gate.await, Reload), Effect.flip(Thread.receive(Effect.never, Reload))),
        now
      )
      const commits: Array<() => void> = []
      const error = ThreadAdapter.encodedError({ _tag: "Reload", file: "a" }, (commit) => commits.push(commit))
      const raise = yield* Effect.forkChild(Thread.raise(thread, error), now)
      yield* settle
      yield* gate.open
      yield* settle
      commits[0]!()
      expect(yield* Thread.join(thread)).toEqual(new Reload({ file: "a" }))
      expect(yield* Fiber.join(raise)).toBe(true)
    })
  )

  it.effect("runs the finalizers inside receive, then receive fails with the raised error itself", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const error = new Reload({ file: "a" })
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          const work = Effect.ensuring(
            Effect.never,
            Effect.sync(() => log.push("finalizer"))
          )
          const caught = yield* Effect.flip(Thread.receive(work, Reload))
          log.push("region failed")
          return caught
        }),
        now
      )
      expect(yield* Thread.raise(thread, error)).toBe(true)
      expect(yield* Thread.join(thread)).toBe(error)
      expect(log).toEqual(["finalizer", "region failed"])
    })
  )

  it.effect("waits until receive has failed, finalizers included", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(Thread.receive(Effect.ensuring(Effect.never, gate.await), Flush), now)
      const raise = yield* Effect.forkChild(Thread.raise(thread, new Flush()), now)
      yield* settle
      expect(raise.pollUnsafe()).toBeUndefined()
      yield* gate.open
      expect(yield* Fiber.join(raise)).toBe(true)
    })
  )

  it.effect("lets the thread continue after a caught error", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.gen(function* () {
          const file = yield* Effect.never.pipe(
            Thread.receive(Reload),
            Effect.catchTag("Reload", (error) => Effect.succeed(error.file))
          )
          yield* Thread.checkpoint
          return file
        }),
        now
      )
      yield* Thread.raise(thread, new Reload({ file: "a" }))
      expect(yield* Thread.join(thread)).toBe("a")
      expect(thread.signal.aborted).toBe(false)
      expect(thread.stopSignal.aborted).toBe(false)
    })
  )

  it.effect("reaches the innermost receive that accepts the error", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const note = (entry: string) => Effect.sync(() => void log.push(entry))
      const thread = yield* Thread.spawn(
        Effect.never.pipe(
          Thread.receive(Reload),
          Effect.catchTag("Reload", () => Effect.andThen(note("inner"), Effect.never)),
          Thread.receive(Flush),
          Effect.catchTag("Flush", () => note("middle")),
          Thread.receive(Reload),
          Effect.catchTag("Reload", () => note("outer"))
        ),
        now
      )
      yield* Thread.raise(thread, new Reload({ file: "a" }))
      expect(log).toEqual(["inner"])
      yield* Thread.raise(thread, new Flush())
      yield* Thread.join(thread)
      expect(log).toEqual(["inner", "middle"])
    })
  )

  it.effect("is pending until a receive claims the error", () =>
    Effect.gen(function* () {
      let ran = false
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(
        Effect.andThen(
          gate.await,
          Effect.flip(
            Thread.receive(
              Effect.sync(() => (ran = true)),
              Flush
            )
          )
        ),
        now
      )
      const raise = yield* Effect.forkChild(Thread.raise(thread, new Flush()), now)
      yield* settle
      expect(raise.pollUnsafe()).toBeUndefined()
      yield* gate.open
      expect(yield* Fiber.join(raise)).toBe(true)
      expect(yield* Thread.join(thread)).toBeInstanceOf(Flush)
      expect(ran).toBe(false)
    })
  )

  it.effect("returns false when the thread ends first", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(gate.await, now)
      const raise = yield* Effect.forkChild(Thread.raise(thread, new Flush()), now)
      yield* gate.open
      expect(yield* Fiber.join(raise)).toBe(false)
      expect(yield* Thread.await(thread)).toEqual(Exit.void)
    })
  )

  it.effect("into a finished thread returns false and changes nothing", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.succeed(1))
      yield* Thread.join(thread)
      expect(yield* Thread.raise(thread, new Flush())).toBe(false)
      expect(yield* Thread.status(thread)).toEqual({ _tag: "Done", exit: Exit.succeed(1) })
    })
  )

  it.effect("is received by one receive only, even if two accept, and each receive gets one error", () =>
    Effect.gen(function* () {
      const caught: Array<string> = []
      const region = (name: string, work: Effect.Effect<void>) =>
        work.pipe(
          Thread.receive(Reload),
          Effect.catchTag("Reload", (error) => Effect.sync(() => void caught.push(`${name} ${error.file}`)))
        )
      const thread = yield* Thread.spawn(region("outer", Effect.orDie(region("inner", Effect.never))), now)
      expect(yield* Thread.raise(thread, new Reload({ file: "a" }))).toBe(true)
      yield* Thread.join(thread)
      expect(caught).toEqual(["inner a"])
    })
  )

  it.effect("delivers errors in the order in which they were raised, each to a receive of its own", () =>
    Effect.gen(function* () {
      const caught: Array<string> = []
      const gate = yield* Latch.make()
      const once = Effect.never.pipe(
        Thread.receive(Reload),
        Effect.catchTag("Reload", (error) => Effect.sync(() => caught.push(error.file)))
      )
      const thread = yield* Thread.spawn(Effect.andThen(gate.await, Effect.replicateEffect(once, 3)), now)
      const raises = yield* Effect.forEach(["a", "b", "c"], (file) =>
        Effect.forkChild(Thread.raise(thread, new Reload({ file })), now)
      )
      yield* gate.open
      expect(yield* Effect.forEach(raises, Fiber.join)).toEqual([true, true, true])
      yield* Thread.join(thread)
      expect(caught).toEqual(["a", "b", "c"])
    })
  )

  it.effect("under a mask ends the receive as soon as the mask ends", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(
        Effect.flip(Thread.receive(Effect.andThen(Effect.uninterruptible(gate.await), Effect.never), Flush)),
        now
      )
      const raise = yield* Effect.forkChild(Thread.raise(thread, new Flush()), now)
      yield* settle
      expect(raise.pollUnsafe()).toBeUndefined()
      yield* gate.open
      expect(yield* Fiber.join(raise)).toBe(true)
      expect(yield* Thread.join(thread)).toBeInstanceOf(Flush)
    })
  )

  it.effect("that is interrupted before a receive claimed the error has no effect", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(Effect.andThen(gate.await, Thread.receive(Effect.succeed("calm"), Flush)), now)
      const raise = yield* Effect.forkChild(Thread.raise(thread, new Flush()), now)
      yield* Fiber.interrupt(raise)
      yield* gate.open
      expect(yield* Thread.join(thread)).toBe("calm")
    })
  )

  it.effect("is overridden by an interrupt of the thread: the receive is interrupted and raise returns false", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(Thread.receive(Effect.ensuring(Effect.never, gate.await), Flush), now)
      const raise = yield* Effect.forkChild(Thread.raise(thread, new Flush()), now)
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "why" }) })
      yield* gate.open
      expect(yield* Fiber.join(raise)).toBe(false)
      expect(messages(yield* Thread.await(thread))).toContain("why")
    })
  )

  it.effect("returns false when the thread is abandoned in the receive that claimed the error", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Thread.receive(Effect.ensuring(Effect.never, hung), Flush), now)
      const raise = yield* Effect.forkChild(Thread.raise(thread, new Flush()), now)
      yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 10)
      yield* settle
      expect(raise.pollUnsafe()).toEqual(Exit.succeed(false))
    })
  )

  it.effect("returns for a pending error when the thread is abandoned", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(hung, now)
      const raise = yield* Effect.forkChild(Thread.raise(thread, new Flush()), now)
      yield* endsIn(Thread.shutdown(thread, { escalation: { interrupt: 10 } }), 10)
      expect(yield* Fiber.join(raise)).toBe(false)
    })
  )

  it.effect("loses neither the error nor the defect of a finalizer inside receive", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Thread.receive(Effect.ensuring(Effect.never, Effect.die("bad")), Flush), now)
      yield* Thread.raise(thread, new Flush())
      const exit = yield* Thread.await(thread)
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toMatch(/Flush[^]*bad/)
    })
  )

  it.effect("accepts only an error, and otherwise does not affect the thread", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Thread.receive(Effect.never, Flush), now)
      for (const given of [undefined, null, "error", 1, {}, [], Object.create(null)]) {
        expect(yield* defectTag(Thread.raise(thread, given))).toBe("InvalidError")
      }
      expect(yield* Thread.isAlive(thread)).toBe(true)
      expect(yield* Thread.raise(thread, new Flush())).toBe(true)
    })
  )

  it.effect("into one of two threads never reaches the other", () =>
    Effect.gen(function* () {
      const [first, second] = yield* Effect.all([
        Thread.spawn(Effect.flip(Thread.receive(Effect.never, Flush)), now),
        Thread.spawn(Effect.flip(Thread.receive(Effect.never, Flush)), now)
      ])
      yield* Thread.raise(first, new Flush())
      expect(yield* Thread.isAlive(first)).toBe(false)
      expect(yield* Thread.isAlive(second)).toBe(true)
    })
  )
})

describe("Thread.raiseWithin", () => {
  it.effect("returns false if no receive has claimed the error in time, and no receive gets the error later", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(Effect.andThen(gate.await, Thread.receive(Effect.succeed("calm"), Flush)), now)
      expect(yield* endsIn(Thread.raiseWithin(thread, new Flush(), 10), 10)).toBe(false)
      yield* gate.open
      expect(yield* Thread.join(thread)).toBe("calm")
    })
  )

  it.effect("returns true for an error that was claimed in time, also if the receive fails with the error later", () =>
    Effect.gen(function* () {
      const work = Effect.ensuring(Effect.never, Effect.sleep(30))
      const thread = yield* Thread.spawn(Effect.flip(Thread.receive(work, Flush)), now)
      expect(yield* endsIn(Thread.raiseWithin(thread, new Flush(), 10), 30)).toBe(true)
      expect(yield* Thread.join(thread)).toBeInstanceOf(Flush)
    })
  )

  it.effect("returns false at once if the thread has ended", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.void, now)
      expect(yield* Thread.raiseWithin(thread, new Flush(), 10)).toBe(false)
    })
  )

  it.effect("that is interrupted withdraws an error without a claim", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(Effect.andThen(gate.await, Thread.receive(Effect.succeed("calm"), Flush)), now)
      const raise = yield* Effect.forkChild(Thread.raiseWithin(thread, new Flush(), 10), now)
      yield* Fiber.interrupt(raise)
      yield* gate.open
      expect(yield* Thread.join(thread)).toBe("calm")
    })
  )

  it.effect("refuses a value that is no error, and an infinite time", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Thread.receive(Effect.never, Flush), now)
      // The mistake of a caller without types.
      expect(yield* defectTag(Thread.raiseWithin(thread, 1 as never, 10))).toBe("InvalidError")
      expect(yield* defectTag(Thread.raiseWithin(thread, new Flush(), Infinity))).toBe("InvalidDuration")
    })
  )
})

describe("Thread.receive", () => {
  it.effect("passes on values and failures of its work", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.all([Thread.receive(Effect.succeed(1), Flush), Effect.flip(Thread.receive(Effect.fail("no"), Flush))])
      )
      expect(yield* Thread.join(thread)).toEqual([1, "no"])
    })
  )

  it.effect("passes on an interrupt of the thread to its work, with the reason", () =>
    Effect.gen(function* () {
      const seen = yield* Deferred.make<ReadonlyArray<string>>()
      const work = Effect.onExit(Effect.never, (exit) => Deferred.succeed(seen, messages(exit)))
      const thread = yield* Thread.spawn(Thread.receive(work, Flush), now)
      yield* Thread.interrupt(thread, { reason: CancelReason.interrupted({ message: "why" }) })
      expect(yield* Deferred.await(seen)).toEqual(["why"])
    })
  )

  it.effect("lets an interrupt through to restored work under a mask", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(
        Effect.uninterruptibleMask((restore) => Thread.receive(restore(Effect.never), Flush)),
        now
      )
      yield* Thread.interruptFork(thread, { reason: CancelReason.interrupted({ message: "why" }) })
      yield* settle
      expect(yield* Thread.isAlive(thread)).toBe(false)
      expect(messages(yield* Thread.await(thread))).toContain("why")
    })
  )
})
