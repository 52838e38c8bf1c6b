import { expect, it } from "vitest"
import { LiveThreads } from "../src/laws/interpret/liveThreads.ts"

const withThreads = (...names: ReadonlyArray<string>) => {
  const ended = new Set<string>()
  const known = new Set<string>()
  const threads = new LiveThreads((name) => known.has(name) && !ended.has(name))
  const add = (name: string): void => {
    known.add(name)
    threads.add(name)
  }
  names.forEach(add)
  return { add, end: (name: string) => ended.add(name), below: (name: string) => threads.below(name).toSorted() }
}

it("LiveThreads.below returns the live descendants at all depths", () => {
  const { below, end } = withThreads("t", "t.1", "t.1.1", "t.1.1.1", "t.2", "t.10", "u")
  end("t.1.1")
  expect(below("t")).toEqual(["t.1", "t.1.1.1", "t.10", "t.2"])
  expect(below("t.1")).toEqual(["t.1.1.1"])
  expect(below("t.10")).toEqual([])
  expect(below("nobody")).toEqual([])
})

it("LiveThreads.below returns a thread that was spawned below an ended thread", () => {
  const { add, below, end } = withThreads("t", "t.1", "t.1.1")
  end("t.1")
  end("t.1.1")
  expect(below("t")).toEqual([])
  add("t.1.1.1")
  expect(below("t")).toEqual(["t.1.1.1"])
  end("t.1.1.1")
  expect(below("t")).toEqual([])
})

it("LiveThreads.below returns a thread whose parent is unknown", () => {
  const { below } = withThreads("t", "t.3.1")
  expect(below("t")).toEqual(["t.3.1"])
})
