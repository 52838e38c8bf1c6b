import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"
import * as HandlerCall from "../src/internal/wire/handlerCall.ts"
import { withBundle } from "./fixtures/bundle.ts"
import { guardMain, withPacked, withRenamedSources } from "./fixtures/layouts.ts"
import { Harness, workerUrl } from "./fixtures/unwind-harness.ts"

const outcomesOf = async (main: string): Promise<unknown> => {
  const { stdout } = await promisify(execFile)(process.execPath, [main])
  return JSON.parse(stdout)
}

/** User code is ended, a step of this toolkit is not. */
const guarded = {
  user: "Unwound",
  nested: "Unwound",
  core: "it is about to go on by itself",
  locks: "it is about to go on by itself",
  between: "it is about to go on by itself",
  release: "it is about to go on by itself",
  handler: "unwind"
}

describe("a step of this toolkit is not ended, but user code is", () => {
  it("in the sources", async () => {
    expect(await outcomesOf(guardMain)).toEqual(guarded)
  })

  it("in the packages as they are published", () =>
    withPacked(async (main) => expect(await outcomesOf(main)).toEqual(guarded)))

  it("in sources whose folders and internal modules have other names", () =>
    withRenamedSources(async (main) => expect(await outcomesOf(main)).toEqual(guarded)))
})

describe("nothing outside a section is ended", () => {
  it.for(["gated", "inStepOfCore", "inStepOfLocks"] as const)(
    "in a bundle of user code and this toolkit, with the packages beside it: %s",
    (hog) =>
      withBundle(
        workerUrl,
        async (bundle) => {
          await using harness = await Harness.open(bundle)
          const id = await harness.started({ hog, inSection: false })
          const outcome = await harness.unwindFiber(id)
          harness.openGate(id)
          await harness.answer("Ended", id)
          expect(outcome).toEqual({
            _tag: "Refused",
            stack: expect.stringContaining("    at "),
            why: expect.stringMatching(/not run from its own packages.*@quiesce\/core and @quiesce\/worker-threads/)
          })
        },
        { installed: ["effect", "@quiesce/core", "@quiesce/worker-threads"], external: ["effect"] }
      )
  )
})

describe("callHandler", () => {
  it("has the name by which its frame is found", () => {
    expect(HandlerCall.callHandler.name).toBe(HandlerCall.frameName)
  })
})
