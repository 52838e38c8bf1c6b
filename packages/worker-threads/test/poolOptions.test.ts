import { messageOf } from "@quiesce/core/internal"
import { HostLease } from "@quiesce/worker-threads"
import { Cause, Effect, Exit, Schema } from "effect"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { type Options, parse } from "../src/internal/host/poolOptions.ts"

const spawn: Options["spawn"] = (options) => new Worker("", options)

/** The message of the defect. */
const refusal = (options: Partial<Options>): string => {
  const exit = Effect.runSyncExit(parse({ spawn, ...options }))
  return Exit.isFailure(exit) ? messageOf(exit.cause.reasons.find(Cause.isDieReason)?.defect) : "none"
}

describe("the options of a pool", () => {
  it("refuse an invalid duration, such as NaN, by the name of the option", () => {
    for (const given of [NaN, -1]) {
      expect(refusal({ size: { min: 0, max: 1, idle: given } })).toContain(`size.idle: ${given} is not a duration`)
      expect(refusal({ startWithin: given })).toContain(`startWithin: ${given} is not a duration`)
    }
    expect(refusal({ startWithin: Infinity })).toContain("startWithin: Infinity")
  })

  it("refuse lease handlers that are no list, and a value in the list that is no handler", () => {
    const lease = HostLease.make({ name: "lease", payload: Schema.Void, success: Schema.Void })
    const handler = HostLease.handler(lease, () => Effect.void)
    for (const given of [handler, 5, "x", {}]) {
      const refused = refusal({ hostLeases: given as never })
      expect(refused).toMatch(/^hostLeases: .* is not a list; give \[HostLease.handler\(lease, acquire\)\]/s)
    }
    for (const given of [lease, 5, null, {}]) {
      const refused = refusal({ hostLeases: [handler, given] as never })
      expect(refused).toMatch(/^hostLeases: .* at index 1 is not a handler; give HostLease.handler\(lease, acquire\)/s)
    }
    expect(refusal({ hostLeases: [handler, handler] })).toContain('hostLeases: "lease" has two handlers')
    expect(refusal({ hostLeases: [handler] })).toBe("none")
  })

  it("accept an idle time of zero, and an infinite one", () => {
    for (const idle of [0, Infinity, "2 seconds"] as const) {
      const size = { min: 0, max: 1, idle }
      expect(Effect.runSync(parse({ spawn, size })).idleMillis).toBe(idle === "2 seconds" ? 2000 : idle)
    }
  })

  it("refuse an invalid limit of recycling, such as a heap in another unit than bytes", () => {
    for (const tasks of [0, -1, NaN, 1.5, Infinity, "10"]) {
      expect(refusal({ recycle: { tasks: tasks as number } })).toContain("recycle.tasks")
    }
    for (const age of [0, -1, NaN, Infinity, "soon"]) {
      expect(refusal({ recycle: { age: age as number } })).toContain("recycle.age")
    }
    for (const heap of [0, -1, NaN, Infinity, 256, "256 MiB"]) {
      expect(refusal({ recycle: { heap: heap as number } })).toContain("recycle.heap")
    }
    for (const recycle of [null, 5]) expect(refusal({ recycle: recycle as never })).toContain("recycle")
    expect(Effect.runSync(parse({ spawn, recycle: { tasks: 1, age: "1 hour", heap: 2 ** 28 } })).recycle).toEqual({
      tasks: 1,
      ageMillis: 3_600_000,
      heapBytes: 2 ** 28
    })
  })
})
