// The matchers come with the import.
// oxlint-disable-next-line import/no-unassigned-import
import "@quiesce/testing/Matchers"
import { Journal } from "@quiesce/testing"
import { Effect } from "effect"
import { expect, it } from "vitest"

const sound = Effect.scoped(Effect.andThen(Journal.resource("a"), Effect.sleep(1)))
const leaky = Effect.andThen(Journal.acquired("a"), Effect.andThen(Effect.sleep(1), Journal.released("a")))

it("toBeCancelSafe holds for a program that leaves nothing behind, and says of one that does what and where", async () => {
  await expect(sound).toBeCancelSafe()
  await expect(leaky).not.toBeCancelSafe()
  await expect(expect(leaky).toBeCancelSafe()).rejects.toThrow('"a" was acquired and not released')
  await expect(expect(sound).not.toBeCancelSafe()).rejects.toThrow("did not at any of")
})

it("toBeCancelSafe refuses what is no effect", async () => {
  await expect(expect(1).toBeCancelSafe()).rejects.toThrow("tries an Effect, and was given 1")
})
