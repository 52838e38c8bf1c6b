import { describe, expect, it } from "@effect/vitest"
import { CancelReason, ForcedEnd } from "@quiesce/core"
import { Exit } from "effect"
import { endingOf } from "../src/internal/ending.ts"
import type { ThreadNode } from "../src/internal/threadNode.ts"
import type { Rung } from "../src/internal/threadState.ts"

const reason = { ...CancelReason.shutdown(), by: "main", at: 7 }
const interrupted = CancelReason.toCause(reason)
const killed = ForcedEnd.annotate(interrupted, ForcedEnd.killed("child", []))

/** The parts of a settled thread that its ending depends on. */
const settled = (cause: typeof interrupted, rung: Rung, hasStarted?: boolean): ThreadNode =>
  ({
    name: "thread",
    state: { _tag: "Settled", reason, rung, abandoned: false },
    controls: { poll: () => Exit.failCause(cause), hasStarted }
  }) as unknown as ThreadNode

describe("endingOf, for threads that share a Cause,", () => {
  it("names the threads that have never started", () => {
    const threads = [settled(interrupted, "interrupt"), settled(interrupted, "interrupt", false)]
    expect([...threads, ...threads.toReversed()].map((thread) => endingOf(thread)._tag)).toEqual([
      "Interrupted",
      "NeverStarted",
      "NeverStarted",
      "Interrupted"
    ])
  })

  it("names the thread that was killed, also after a thread that has joined it", () => {
    const [joined, child] = [settled(killed, "interrupt"), settled(killed, "kill")]
    expect([joined, child, joined].map((thread) => endingOf(thread))).toEqual([
      { _tag: "Interrupted", reason },
      { _tag: "Killed", reason },
      { _tag: "Interrupted", reason }
    ])
  })
})
