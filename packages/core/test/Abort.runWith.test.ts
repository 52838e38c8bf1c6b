import { describe, expect, it } from "@effect/vitest"
import { Abort } from "@quiesce/core"
import { Context, Effect } from "effect"

class Greeting extends Context.Service<Greeting, string>()("Greeting") {}

describe("Abort.runWith", () => {
  it("runs with the services of a context, and rejects with the signal's own reason after the finalizers", async () => {
    const run = Abort.runWith(Context.make(Greeting, "hello"))
    expect(await run(Effect.map(Greeting, (text) => text))).toBe("hello")
    const controller = new AbortController()
    let released = false
    const waiting = run(
      Effect.ensuring(
        Effect.never,
        Effect.sync(() => (released = true))
      ),
      { signal: controller.signal }
    )
    controller.abort("reason")
    await expect(waiting).rejects.toBe("reason")
    expect(released).toBe(true)
  })
})
