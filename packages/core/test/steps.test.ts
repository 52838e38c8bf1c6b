import { expect, it } from "@effect/vitest"
import { of } from "../src/internal/steps.ts"

// No other test is in this file, because the first call of a process matters.
it("an escalation that is missing has no steps, also in the first call of a process", () => {
  // A caller without types could pass it.
  expect(of(undefined as never)).toBe("it is undefined")
  expect(of({ stop: 1 })).toEqual([{ rung: "stop", grace: 1 }])
})
