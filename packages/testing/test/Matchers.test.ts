// The import installs the matchers.
// oxlint-disable-next-line import/no-unassigned-import
import "@quiesce/testing/Matchers"
import { Journal } from "@quiesce/testing"
import { Context, Effect, Layer } from "effect"
import { expect, it } from "vitest"

const sound = Effect.scoped(Effect.andThen(Journal.resource("a"), Effect.sleep(1)))
// A caller without types could pass such a value.
const noEffect = 1 as unknown as Effect.Effect<void>
const leaky = Effect.andThen(Journal.acquired("a"), Effect.andThen(Effect.sleep(1), Journal.released("a")))

it("toBeCancelSafe passes for a program without leftovers, and otherwise names the leftovers and their places", async () => {
  await expect(sound).toBeCancelSafe()
  await expect(leaky).not.toBeCancelSafe()
  await expect(expect(leaky).toBeCancelSafe()).rejects.toThrow('"a" was acquired and not released')
  await expect(expect(sound).not.toBeCancelSafe()).rejects.toThrow("did not at any of")
})

it("toBeCancelSafe refuses a value that is no effect", async () => {
  await expect(expect(noEffect).toBeCancelSafe()).rejects.toThrow("tries an Effect, and was given 1")
})

it("toBeCancelSafe takes an environment", async () => {
  class Delay extends Context.Service<Delay, Effect.Effect<void>>()("test/Delay") {}
  const environment = Layer.succeed(Delay, Effect.sleep(1))
  await expect(Effect.flatMap(Delay, (delay) => delay)).toBeCancelSafe({ environment })
})

it("not.toBeCancelSafe fails, too, for a program that can't be tried", async () => {
  await expect(expect(Effect.void).not.toBeCancelSafe()).rejects.toThrow("no step at which it could be cancelled")
  await expect(expect(Effect.never).not.toBeCancelSafe()).rejects.toThrow("would never end")
  await expect(expect(noEffect).not.toBeCancelSafe()).rejects.toThrow("tries an Effect")
})
