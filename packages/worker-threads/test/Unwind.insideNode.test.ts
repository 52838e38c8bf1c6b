/** Code that was halted inside Node's own functions is ended after the return of these functions. */
import { Effect, Option } from "effect"
import { describe, expect, it } from "vitest"
import type { Frame, Halt } from "../src/internal/inspector/halt.ts"
import { outsideNode } from "../src/internal/unwind/host/unwindFiber.ts"

const frame = (url: string, index: number): Frame => ({ id: String(index), name: "f", url, line: 1, column: 1 })

/** A halted worker with these frames, the innermost first. Each step leaves the innermost frame. */
const halted = (urls: ReadonlyArray<string>, stepped: { count: number } = { count: 0 }): Halt => ({
  frames: urls.map(frame),
  evaluate: () => Effect.void,
  stepOut: Effect.sync(() => {
    stepped.count++
    return Option.some(halted(urls.slice(1), stepped))
  })
})

const user = "file:///app/task.ts"
const loop = "file:///app/node_modules/effect/dist/internal/effect.js"

const after = async (urls: ReadonlyArray<string>) => {
  const stepped = { count: 0 }
  const halt = Option.getOrUndefined(await Effect.runPromise(outsideNode(halted(urls, stepped))))
  return { steps: stepped.count, urls: halt?.frames.map(({ url }) => url) }
}

describe("a halted worker", () => {
  it("in a function that clears a timer steps out to the user's code", async () => {
    const urls = ["node:internal/priority_queue", "node:internal/timers", "node:timers", user, loop]
    expect(await after(urls)).toEqual({ steps: 3, urls: [user, loop] })
  })

  it.each([
    ["the user's code", [user, loop]],
    ["a function that only computes", ["node:internal/util/inspect", user, loop]],
    [
      "a function that only computes, of the console",
      ["node:internal/util/inspect", "node:internal/console/constructor", user]
    ],
    ["code without a URL", ["", "node:vm", user, loop]],
    ["Node's code alone", ["node:internal/timers", "node:internal/timers"]],
    ["no frame", []]
  ])("in %s takes no step", async (_, urls) => {
    expect(await after(urls)).toEqual({ steps: 0, urls })
  })

  it("in a function that does not return in time keeps its code", async () => {
    const stuck: Halt = { ...halted(["node:events", user, loop]), stepOut: Effect.succeedNone }
    expect(Option.isNone(await Effect.runPromise(outsideNode(stuck)))).toBe(true)
  })

  it("in functions that call each other without an end keeps its code", async () => {
    const endless: Halt = {
      ...halted(["node:events", user]),
      stepOut: Effect.suspend(() => Effect.succeedSome(endless))
    }
    expect(Option.isNone(await Effect.runPromise(outsideNode(endless)))).toBe(true)
  })
})
