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

// `Atomics.wait` and a regular expression come to no halt: nothing of JavaScript runs in them.
const unhaltable: ReadonlyArray<HogName> = ["atomicsWait", "regularExpression"]
// `recursion` may have used up the stack at a halt, so the halt is repeated in a test of its own.
const haltable = endless.filter((hog) => hog !== "recursion" && !unhaltable.includes(hog))

/** The one halt of an unwind gives the stack as well. */
const stack: unknown = expect.stringMatching(/^ {4}at .* \(.+:\d+:\d+\)(\n {4}at .* \(.+:\d+:\d+\))*$/)
const unwoundFromStack = { _tag: "Unwound", stack }
const refusedFromStack = (why: string) => ({ _tag: "Refused", why, stack })

const held = (mutex: SharedMutex.SharedMutex): number => Effect.runSync(SharedMutex.status(mutex)).held

describe("unwindFiber", () => {
  it.for(haltable)("ends %s in an Effect.sync; its finalizers run, those behind it are unharmed", async (hog) => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog, inSection: false })
    harness.send({ _tag: "Bystanders", id })
    expect(await harness.unwindFiber(id)).toEqual(unwoundFromStack)
    expect(await harness.answer("Ended", id)).toMatchObject({ reason: "host", order: ["inner", "outer"] })
    await harness.answer("Bystanders", id)
  })

  it("ends an endless recursion in try and catch, also if its stack was used up at the first halt", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "recursion", inSection: false })
    const attempt = Effect.promise(() => harness.unwindFiber(id))
    const again = Effect.flatMap(attempt, (first) => UnwindFiber.retryUntilEnded(first, attempt, () => false))
    expect(await Effect.runPromise(again)).toEqual(unwoundFromStack)
    expect(await harness.answer("Ended", id)).toMatchObject({ reason: "host", order: ["inner", "outer"] })
  })

  it("ends a task's code before what it has ended of another's has been set right; both run their finalizers", async () => {
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

  it("leaves the stacks of later errors as they were, if it ends code that makes an error without a stack", async () => {
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

  it("leaves nothing locked that the step has locked, but what its fiber had locked before", async () => {
    await using harness = await Harness.open()
    const [before, inside] = [SharedMutex.makeUnsafe(), SharedMutex.makeUnsafe()]
    const id = await harness.started({ inSection: false, lock: inside, lockBefore: before })
    expect([held(before), held(inside)]).toEqual([1, 1])
    expect(await harness.unwindFiber(id)).toEqual(unwoundFromStack)
    await harness.answer("Ended", id)
    expect([held(before), held(inside)]).toEqual([1, 0])
    expect(SharedMutex.lockSync(inside).ownerDied).toBe(true)
  })

  it("ends code of the user's that has the name of the function in which Effect runs a fiber", async () => {
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

  it("is refused when the task has ended, as what runs in its place is another", async () => {
    await using harness = await Harness.open()
    const next = await harness.started({ hog: "gated", inSection: false })
    expect(await harness.unwindFiber(next, true)).toEqual(refusedFromStack("the task has ended"))
    harness.openGate(next)
    expect((await harness.answer("Ended", next)).value).toBe(42)
  })

  it("is refused in a bundle, where what runs can't be told from Effect", () =>
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

  it("ends nothing where no fiber runs, and nothing of it is left for what runs next", async () => {
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

  it("leaves the AsyncLocalStorage that its code was within, for the fiber's own", async () => {
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

/** What comes of attempts that give one outcome after another, the last one for ever, and how many there were. */
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
  it("looks again where there may be something to be ended a moment later", async () => {
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

  it("looks again until the task has ended, at an idle worker and at one that is in no fiber", async () => {
    expect(await retryUntilEnded([idle], 8)).toEqual({ outcome: idle, attempts: 8 })
    expect(await retryUntilEnded([noFiber], 8)).toEqual({ outcome: noFiber, attempts: 8 })
  })

  it("ends code that begins long after an idle worker was seen", async () => {
    expect(await retryUntilEnded([idle, idle, idle, idle, noFiber, unwound])).toEqual({ outcome: unwound, attempts: 6 })
  })

  it("looks once where it will not be otherwise, or when the task has ended", async () => {
    const unknown = refused("this version of Effect is not known here")
    expect(await retryUntilEnded([unknown])).toEqual({ outcome: unknown, attempts: 1 })
    expect(await retryUntilEnded([noFiber, unwound], 1)).toEqual({ outcome: noFiber, attempts: 1 })
  })
})

/** The same limit for the search and for the halt. */
const both = (limit: Duration.Input): Debugger.Limits => ({ search: limit, patience: limit })

describe("halt", () => {
  it("comes as often as it is asked for, however soon after another", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "gated" })
    const located = await Effect.runPromise(Effect.replicateEffect(Debugger.locate(harness.target.attachment), 40))
    expect(located.filter(Option.isNone)).toEqual([])
    harness.openGate(id)
    await harness.answer("Ended", id)
  })

  it("fails when the worker is gone before it comes to a halt, and waits no longer", async () => {
    const attachment = new Attachment(1)
    attachment.attach("session", (message) => {
      const { id, method } = JSON.parse(message)
      // A worker that takes the request, and ends.
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

  it("comes after one that nobody waits for any more", async () => {
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
  it("tells the stack of a section, which goes on", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "gated" })
    const stack = await Effect.runPromise(Debugger.locate(harness.target.attachment))
    expect(Option.getOrThrow(stack)).toMatch(/at gated \(.*unwind-hogs\.ts:\d+:\d+\)/)
    harness.openGate(id)
    expect((await harness.answer("Ended", id)).value).toBe(42)
  })

  it("tells nothing of an idle worker", async () => {
    await using harness = await Harness.open()
    await harness.idle()
    expect(await Effect.runPromise(Debugger.locate(harness.target.attachment))).toEqual(Option.none())
    await harness.ping()
  })
})
