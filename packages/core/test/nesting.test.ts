import { describe, expect, it } from "vitest"
import * as Nesting from "../src/internal/nesting.ts"

/** Runs a step below as many others as may run inside each other. */
const atTheBound = (step: () => void): void => {
  if (!Nesting.enter()) return step()
  try {
    atTheBound(step)
  } finally {
    Nesting.leave()
  }
}

describe("the steps that end threads", () => {
  it("wait beyond a bound, and run in order before the outermost step returns", () => {
    const log: Array<string> = []
    atTheBound(() => {
      Nesting.later(() => {
        log.push("first")
        Nesting.later(() => log.push("third"))
      })
      Nesting.later(() => log.push("second"))
      log.push("inside")
    })
    expect(log).toEqual(["inside", "first", "second", "third"])
    expect(Nesting.current()).toBe(0)
  })

  it("run although an earlier step has thrown, and the outermost step throws the error", () => {
    const log: Array<string> = []
    const run = () =>
      atTheBound(() => {
        Nesting.later(() => {
          throw new Error("a step")
        })
        Nesting.later(() => log.push("next"))
      })
    expect(run).toThrow("a step")
    expect(log).toEqual(["next"])
    expect(Nesting.current()).toBe(0)
  })

  it("throw all their errors together", () => {
    const thrown = [new Error("one"), new Error("two")]
    const run = () =>
      atTheBound(() => {
        for (const error of thrown) {
          Nesting.later(() => {
            throw error
          })
        }
      })
    expect(run).toThrow(expect.objectContaining({ errors: thrown }))
  })
})
