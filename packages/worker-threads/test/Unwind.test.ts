import * as SharedMutex from "@quiesce/worker-threads/SharedMutex"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import * as Unwinder from "../src/internal/unwind/host/unwindSection.ts"
import { Harness } from "./fixtures/unwind-harness.ts"
import { endless } from "./fixtures/unwind-hogs.ts"
import { race, repeat } from "./fixtures/unwind-scenarios.ts"

const held = (mutex: SharedMutex.SharedMutex): number => Effect.runSync(SharedMutex.status(mutex)).held

describe("unwind", () => {
  it.for(endless)("ends a section in %s, and its finalizers run in order, once", async (hog) => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog, from: "timer" })
    expect(await harness.cancel(id)).toMatchObject({ _tag: "Unwound" })
    expect(await harness.answer("Ended", id)).toMatchObject({ reason: "host", order: ["inner", "outer"] })
    await harness.ping()
  })

  it.for(["message", "timer", "immediate", "promise"] as const)(
    "keeps the AsyncLocalStorage of a section started from a %s, and does not leak it into other code",
    async (from) => {
      await using harness = await Harness.open()
      const before = await harness.ping()
      const id = await harness.started({ from, store: "mine" })
      await harness.cancel(id)
      expect(await harness.answer("Ended", id)).toMatchObject({ store: "mine", order: ["inner", "outer"] })
      expect(await harness.ping()).toMatchObject({ store: undefined, asyncId: before.asyncId })
    }
  )

  it("keeps the timers, promises, ticks, immediates and fibers behind the section", async () => {
    await using harness = await Harness.open()
    const id = await harness.started()
    harness.send({ _tag: "Bystanders", id })
    await harness.cancel(id)
    expect((await harness.answer("Bystanders", id)).seen).toEqual(["fiber", "immediate", "promise", "tick", "timer"])
  })

  it("is refused while an uninterruptible section runs, and the section ends by itself", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "gated", masked: true })
    expect(await harness.cancel(id)).toMatchObject({ _tag: "Refused" })
    harness.openGate(id)
    expect(await harness.answer("Ended", id)).toMatchObject({ order: ["inner", "outer"] })
  })

  it("does not end another run than its target", async () => {
    await using harness = await Harness.open()
    const id = await harness.started({ hog: "gated" })
    expect(await Effect.runPromise(Unwinder.unwind(harness.target, 1_000))).toEqual({ _tag: "Idle" })
    harness.openGate(id)
    expect(await harness.answer("Ended", id)).toMatchObject({ value: 42, reason: undefined })
  })

  it("releases only the locks of the section, also if other code locks before the worker receives the message", async () => {
    await using harness = await Harness.open()
    const [inside, behind] = [SharedMutex.makeUnsafe(), SharedMutex.makeUnsafe()]
    const id = await harness.started({ lock: inside })
    const runs: Array<number> = []
    const outcome = await Effect.runPromise(
      Unwinder.unwind({ ...harness.target, unwound: (run) => void runs.push(run) })
    )
    expect(outcome).toEqual({ _tag: "Unwound" })
    await harness.lock(behind)
    expect([held(inside), held(behind)]).toEqual([1, 1])
    expect(runs).toHaveLength(1)
    for (const run of runs) harness.target.unwound(run)
    await harness.answer("Ended", id)
    expect([held(inside), held(behind)]).toEqual([0, 1])
  })

  it("is idle if no section runs", async () => {
    await using harness = await Harness.open()
    expect(await harness.cancel(0)).toEqual({ _tag: "Idle" })
  })

  it("ends 250 sections of one worker", async () => {
    await using harness = await Harness.open()
    await repeat(harness, 250)
  })

  it("unwind-precise: in a race with the natural end of a section, exactly one of the two happens", async () => {
    await using harness = await Harness.open()
    const seed = Number(process.env["SEED"] ?? Date.now() % 100_000)
    const tally = await race(harness, 500, seed)
    expect(tally.ended + tally.unwound, `seed ${seed}`).toBe(500)
  })
})
