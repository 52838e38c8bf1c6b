import * as SharedMutex from "@quiesce/worker-threads/SharedMutex"
import { Deferred, type Duration, Effect, Fiber, Option } from "effect"
import { describe, expect, it } from "vitest"
import { Attachment } from "../src/internal/inspector/attachment.ts"
import * as Debugger from "../src/internal/inspector/halt.ts"
import type { Heartbeat } from "../src/internal/wire/heartbeat.ts"
import * as UnwindFiber from "../src/internal/unwind/host/unwindFiber.ts"
import { withBundle } from "./fixtures/bundle.ts"
import { Harness, workerUrl } from "./fixtures/unwind-harness.ts"
import { endless, type HogName } from "./fixtures/unwind-hogs.ts"

// `Atomics.wait` and a regular expression never come to a halt, because neither runs JavaScript.
const unhaltable: ReadonlyArray<HogName> = ["atomicsWait", "regularExpression"]
// The stack of `recursion` may be used up at a halt, so a test of its own repeats the halt.
const haltable = endless.filter((hog) => hog !== "recursion" && !unhaltable.includes(hog))

/** The single halt of an unwind also reads the stack. */
const stack: unknown = expect.stringMatching(/^ {4}at .* \(.+:\d+:\d+\)(\n {4}at .* \(.+:\d+:\d+\))*$/)
const unwoundFromStack = { _tag: "Unwound", stack }
const refusedFromStack = (why: string) => ({ _tag: "Refused", why, stack })

const held = (mutex: SharedMutex.SharedMutex): number => Effect.runSync(SharedMutex.status(mutex)).held

describe("unwindFiber", () => {
  it.for(haltable)(
    "ends %s in an Effect.sync, runs its finalizers, and leaves the events behind it intact",
    async (hog) => {
      await using harness = await Harness.open()
      const id = await harness.started({ hog, inSection: false })
      harness.send({ _tag: "Bystanders", id })
      expect(await harness.unwindFiber(id)).toEqual(unwoundFromStack)
      expect(await harness.answer("Ended", id)).toMatchObject({ reason: "host", order: ["inner", "outer"] })
      await harness.answer("Bystanders", id)
    }
  )

  it("ends an endless recursion in try and catch, also if its stack was used up at the first halt", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "recursion", inSection: false })
    const attempt = Effect.promise(() => harness.unwindFiber(id))
    const again = Effect.flatMap(attempt, (first) => UnwindFiber.retryUntilEnded(first, attempt, () => false))
    expect(await Effect.runPromise(again)).toEqual(unwoundFromStack)
    expect(await harness.answer("Ended", id)).toMatchObject({ reason: "host", order: ["inner", "outer"] })
  })

  it("ends the code of a second task before the first ended task is repaired, and both run their finalizers", async () => {
    await using harness = await Harness.open()
    const first = await harness.started({ inSection: false })
    const second = harness.run({ inSection: false })
    expect(await harness.endFiber(first)).toEqual(unwoundFromStack)
    await harness.answer("Started", second)
    expect(await harness.unwindFiber(second)).toEqual(unwoundFromStack)
    expect(await harness.answer("Ended", second)).toMatchObject({ reason: "host", order: ["inner", "outer"] })
    harness.repair(first)
    expect(await harness.answer("Ended", first)).toMatchObject({ reason: "host", order: ["inner", "outer"] })
  })

  it("restores the stacks of later errors if it ends code that makes an error without a stack", async () => {
    await using harness = await Harness.open()
    const { frames } = await harness.ping()
    const first = await harness.started({ inSection: false, hog: "withoutStacks" })
    const second = harness.run({ inSection: false, hog: "withoutStacks" })
    expect(await harness.endFiber(first)).toEqual(unwoundFromStack)
    // The code of another task is ended before the first task is repaired.
    await harness.answer("Started", second)
    expect(await harness.unwindFiber(second)).toEqual(unwoundFromStack)
    await harness.answer("Ended", second)
    expect((await harness.ping()).frames).toBe(frames)
    harness.repair(first)
    await harness.answer("Ended", first)
    expect((await harness.ping()).frames).toBe(frames)
    expect(frames).toBeGreaterThan(0)
  })

  it("releases the locks that the ended step has locked, and keeps the locks that its fiber had before", async () => {
    await using harness = await Harness.open()
    const [before, inside] = [SharedMutex.makeUnsafe(), SharedMutex.makeUnsafe()]
    const id = await harness.started({ inSection: false, lock: inside, lockBefore: before })
    expect([held(before), held(inside)]).toEqual([1, 1])
    expect(await harness.unwindFiber(id)).toEqual(unwoundFromStack)
    await harness.answer("Ended", id)
    expect([held(before), held(inside)]).toEqual([1, 0])
    expect(SharedMutex.lockSync(inside).ownerDied).toBe(true)
  })

  it("ends a user's function that has the name of the function in which Effect runs a fiber", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ inSection: false, hog: "namesake" })
    expect(await harness.unwindFiber(id)).toEqual(unwoundFromStack)
    expect(await harness.answer("Ended", id)).toMatchObject({ reason: "host", order: ["inner", "outer"] })
  })

  it("is refused for another task, and in uninterruptible code", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "gated", inSection: false })
    expect(await harness.unwindFiber(id + 1)).toEqual(refusedFromStack("other tasks are on the stack"))
    harness.openGate(id)
    expect((await harness.answer("Ended", id)).value).toBe(42)
    const masked = await harness.started({ hog: "gated", inSection: false, masked: true })
    expect(await harness.unwindFiber(masked)).toEqual(refusedFromStack("what runs is uninterruptible"))
    harness.openGate(masked)
    await harness.answer("Ended", masked)
  })

  it("is refused when the task has ended, because another task runs in its place", async () => {
    await using harness = await Harness.open()
    const next = await harness.started({ hog: "gated", inSection: false })
    expect(await harness.unwindFiber(next, true)).toEqual(refusedFromStack("the task has ended"))
    harness.openGate(next)
    expect((await harness.answer("Ended", next)).value).toBe(42)
  })

  it("is refused in a bundle, where user code can't be distinguished from Effect", () =>
    withBundle(workerUrl, async (bundle) => {
      await using harness = await Harness.open(bundle)
      const id = await harness.started({ hog: "gated", inSection: false })
      expect(await harness.unwindFiber(id)).toMatchObject({
        _tag: "Refused",
        why: expect.stringContaining("Keep effect out of the worker's bundle")
      })
      harness.openGate(id)
      expect((await harness.answer("Ended", id)).value).toBe(42)
    }))

  it("ends nothing if no fiber runs, and has no effect on the next fiber", async () => {
    await using harness = await Harness.open()
    await harness.idle()
    expect(await harness.unwindFiber(0)).toEqual({ _tag: "Idle" })
    await harness.ping()
  })

  it("ends 100 fibers of one worker", async () => {
    await using harness = await Harness.open()
    for (let n = 0; n < 100; n++) {
      const id = await harness.started({ inSection: false, store: `store ${n}` })
      expect(await harness.unwindFiber(id)).toEqual(unwoundFromStack)
      expect(await harness.answer("Ended", id)).toMatchObject({
        reason: "host",
        order: ["inner", "outer"],
        store: `store ${n}`
      })
    }
  })

  it("restores the AsyncLocalStorage of the fiber after it has ended code inside another one", async () => {
    await using harness = await Harness.open()
    for (const store of ["mine", undefined]) {
      const id = await harness.started({ inSection: false, hog: "stored", ...(store === undefined ? {} : { store }) })
      expect(await harness.unwindFiber(id)).toEqual(unwoundFromStack)
      expect(await harness.answer("Ended", id)).toMatchObject({ order: ["inner", "outer"], store })
    }
  })
})

type Outcome = Parameters<typeof UnwindFiber.retryUntilEnded>[0]
const unwound: Outcome = { _tag: "Unwound" }
const idle: Outcome = { _tag: "Idle" }
const refused = (why: string): Outcome => ({ _tag: "Refused", why })
const noFiber = refused("what runs is not a fiber")

/**
 * The outcome and the number of attempts, if the attempts give these outcomes in order and repeat the last for ever.
 */
const retryUntilEnded = async (outcomes: ReadonlyArray<Outcome>, endsAfter = Infinity) => {
  let attempts = 0
  const attempt = Effect.sync(() => outcomes[Math.min(attempts++, outcomes.length - 1)]!)
  const isOver = () => attempts >= endsAfter
  const outcome = await Effect.runPromise(
    Effect.flatMap(attempt, (first) => UnwindFiber.retryUntilEnded(first, attempt, isOver))
  )
  return { outcome, attempts }
}

describe("retryUntilEnded", () => {
  it("tries again while the refusal may be temporary", async () => {
    const outcomes = [
      noFiber,
      refused("it could not be looked at"),
      refused("it is about to go on by itself"),
      refused("other tasks are on the stack"),
      refused("what runs is uninterruptible"),
      refused("a section runs"),
      unwound
    ]
    expect(await retryUntilEnded(outcomes)).toEqual({ outcome: unwound, attempts: 7 })
  })

  it("tries again until the task has ended, for an idle worker and for a worker that is in no fiber", async () => {
    expect(await retryUntilEnded([idle], 8)).toEqual({ outcome: idle, attempts: 8 })
    expect(await retryUntilEnded([noFiber], 8)).toEqual({ outcome: noFiber, attempts: 8 })
  })

  it("ends code that begins long after the worker was idle", async () => {
    expect(await retryUntilEnded([idle, idle, idle, idle, noFiber, unwound])).toEqual({ outcome: unwound, attempts: 6 })
  })

  it("tries once if the refusal is permanent, or if the task has ended", async () => {
    const unknown = refused("this version of Effect is not known here")
    expect(await retryUntilEnded([unknown])).toEqual({ outcome: unknown, attempts: 1 })
    expect(await retryUntilEnded([noFiber, unwound], 1)).toEqual({ outcome: noFiber, attempts: 1 })
  })
})

/** The same limit for the search and for the halt. */
const both = (limit: Duration.Input): Debugger.Limits => ({ search: limit, patience: limit })

describe("halt", () => {
  it("comes for each request, even if the requests follow each other at once", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "gated" })
    const located = await Effect.runPromise(Effect.replicateEffect(Debugger.locate(harness.target.attachment), 40))
    expect(located.filter(Option.isNone)).toEqual([])
    harness.openGate(id)
    await harness.answer("Ended", id)
  })

  it("fails without a further wait when the worker ends before its halt", async () => {
    const attachment = new Attachment(1)
    attachment.attach("session", (message) => {
      const { id, method } = JSON.parse(message)
      // The worker receives the request, and ends.
      queueMicrotask(() => {
        attachment.receive(JSON.stringify({ id, result: {} }))
        if (method === "Debugger.pause") setImmediate(() => attachment.gone())
      })
    })
    const halt = Debugger.halt(attachment, both("1 hour"), () => Effect.die("There is nothing to look at"))
    expect((await Effect.runPromise(Effect.flip(halt))).why).toBe("The worker is gone")
  })

  it("is requested only while the worker takes no messages", async () => {
    const requests: Array<string> = []
    const attachment = new Attachment(1)
    attachment.attach("session", (message) => {
      const { id, method } = JSON.parse(message)
      requests.push(method)
      queueMicrotask(() => attachment.receive(JSON.stringify({ id, result: {} })))
    })
    const haltWith = (heartbeat: Heartbeat) => {
      requests.length = 0
      const halt = Debugger.halt(
        attachment,
        both("150 millis"),
        () => Effect.die("There is nothing to look at"),
        heartbeat
      )
      return Effect.runPromise(halt)
    }
    expect(await haltWith(() => () => true)).toEqual(Option.none())
    expect(requests).toEqual([])
    // The worker takes messages again while the debugger is being enabled.
    expect(await haltWith(() => () => requests.length > 0)).toEqual(Option.none())
    expect(requests).toEqual(["Debugger.enable", "Debugger.disable"])
    // The worker takes messages at first.
    let asked = 0
    expect(await haltWith(() => (++asked === 1 ? () => true : () => false))).toEqual(Option.none())
    expect(requests).toContain("Debugger.pause")
    expect(requests.at(-1)).toBe("Debugger.disable")
  })

  it("comes after a halt whose caller was interrupted", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "gated" })
    const { attachment } = harness.target
    for (let n = 0; n < 10; n++) {
      const halted = Deferred.makeUnsafe<void>()
      const halt = Debugger.halt(attachment, both("5 seconds"), () =>
        Effect.andThen(Deferred.succeed(halted, undefined), Effect.never)
      )
      const stack = await Effect.runPromise(
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(halt)
          yield* Deferred.await(halted)
          yield* Fiber.interrupt(fiber)
          return yield* Debugger.locate(attachment)
        })
      )
      expect(Option.isSome(stack)).toBe(true)
    }
    harness.openGate(id)
    await harness.answer("Ended", id)
  })
})

describe("locate", () => {
  it("returns the stack of a section, which continues", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "gated" })
    const stack = await Effect.runPromise(Debugger.locate(harness.target.attachment))
    expect(Option.getOrThrow(stack)).toMatch(/at gated \(.*unwind-hogs\.ts:\d+:\d+\)/)
    harness.openGate(id)
    expect((await harness.answer("Ended", id)).value).toBe(42)
  })

  it("returns none for an idle worker", async () => {
    await using harness = await Harness.open()
    await harness.idle()
    expect(await Effect.runPromise(Debugger.locate(harness.target.attachment))).toEqual(Option.none())
    await harness.ping()
  })
})
