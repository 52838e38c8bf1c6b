import { expect, it } from "@effect/vitest"
import { Blocking, Deadline, Thread } from "@quiesce/core"
import { Effect, Logger } from "effect"
import { vi } from "vitest"

/** An Effect whose fibers don't show their masks. */
vi.mock("effect/Effect", async (original) => ({
  ...(await original<typeof Effect>()),
  uninterruptible: <A, E, R>(effect: Effect.Effect<A, E, R>) => effect
}))

it.live("Blocking.interruptible does not end a section if the masks of fibers can't be read", () =>
  Effect.gen(function* () {
    const warnings: Array<unknown> = []
    const logger = Logger.make(({ message }) => void warnings.push(String(message)))
    const section = Blocking.interruptible((token) => {
      while (!token.interrupted);
      const until = Date.now() + 20
      while (Date.now() < until);
      return "went on"
    })
    const thread = Thread.spawn(Deadline.within(section, 5), { startImmediately: true })
    const joined = Effect.scoped(Effect.flatMap(thread, Thread.join))
    expect(yield* Effect.provide(joined, Logger.layer([logger]))).toBe("went on")
    yield* Effect.yieldNow
    expect(warnings).toEqual([expect.stringMatching(/another version of Effect.*no section is ended at its deadline/)])
  })
)
