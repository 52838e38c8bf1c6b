/**
 * The scenarios of a pool, as data. All workers are held by calls that wait for a gate. Then the calls of the scenario are made,
 * some of them are aborted, the pool may be drained or closed, and the gate opens.
 */
import * as fc from "fast-check"
import type { PoolLaw } from "./laws.ts"

/**
 * A function returns, throws, ends its worker, waits for its abort, or loops until it is ended. With leases it first acquires
 * that number of them, and a loop then ends only with its worker.
 */
export type How = "quick" | "fail" | "exit" | "wait" | "spin"

/** A call is aborted while it waits, or when its function has begun. */
type Abort = "never" | "queued" | "running"

export interface Call {
  readonly how: How
  readonly priority: number
  readonly leases: number
  readonly abort: Abort
}

/** `within`: after this number of milliseconds, a drain ends the remaining calls. */
type End =
  | { readonly _tag: "None" | "Close" }
  | { readonly _tag: "Drain"; readonly queued: "finish" | "drop"; readonly within: number | undefined }

/** A pool of plain functions that begins without Effect is a light one. */
export type Kind = "contract" | "plain" | "light"

export interface PoolScenario {
  readonly kind: Kind
  readonly workers: number
  readonly concurrency: number
  readonly calls: ReadonlyArray<Call>
  readonly end: End
}

/** Whether the pool ends the calls that are left. */
export const isCut = ({ end }: PoolScenario): boolean =>
  end._tag === "Close" || (end._tag === "Drain" && end.within !== undefined)

/** Whether a call can be ended only with its worker. */
export const isKilled = ({ how, leases }: { readonly how: string; readonly leases: number }): boolean =>
  how === "spin" && leases > 0

interface Mix {
  readonly how: ReadonlyArray<How>
  readonly priorities: ReadonlyArray<number>
  readonly leases: ReadonlyArray<number>
  readonly ends: ReadonlyArray<End>
  readonly workers: ReadonlyArray<number>
}

const none: End = { _tag: "None" }
const close: End = { _tag: "Close" }
const drain = (queued: "finish" | "drop", within?: number): End => ({ _tag: "Drain", queued, within })

const most: Mix = {
  how: ["quick", "quick", "quick", "fail", "wait", "exit"],
  priorities: [0, 0, 0, 1, -1],
  leases: [0],
  ends: [none, close, drain("finish"), drain("drop"), drain("finish", 30)],
  workers: [1, 2]
}

const mixes: Readonly<Record<PoolLaw, Mix>> = {
  "tasks-once": { ...most, how: [...most.how, "spin"] },
  "drain-true": { ...most, ends: [drain("finish"), drain("drop"), drain("finish", 30), drain("drop", 30)] },
  // The threads of two workers may begin their calls in either order.
  "priority-first": { ...most, priorities: [-1, 0, 1], ends: [none], workers: [1] },
  "lease-once": { ...most, how: ["quick", "fail", "wait", "exit", "spin"], leases: [0, 1, 1, 2], ends: [none, close] }
}

/** A kill and a crash take long, so a scenario has at most one of these. */
const isCostly = (call: Call): boolean => call.how === "spin" || call.how === "exit"

/** A call that does not end by itself is aborted, or cut by the end of its pool. */
const bounded = (scenario: PoolScenario): PoolScenario => {
  const first = scenario.calls.findIndex(isCostly)
  const calls = scenario.calls.map((call, index): Call => {
    if (isCostly(call) && index !== first) return { ...call, how: "quick" }
    if (call.how !== "wait" && call.how !== "spin")
      return { ...call, abort: call.abort === "queued" ? "queued" : "never" }
    if (isCut(scenario)) return { ...call, abort: "never" }
    return { ...call, abort: call.abort === "queued" ? "queued" : "running" }
  })
  return { ...scenario, calls }
}

export const scenarioOf = (law: PoolLaw, kinds: ReadonlyArray<Kind>): fc.Arbitrary<PoolScenario> => {
  const { ends, how, leases, priorities, workers } = mixes[law]
  const call: fc.Arbitrary<Call> = fc.record({
    how: fc.constantFrom(...how),
    priority: fc.constantFrom(...priorities),
    leases: fc.constantFrom(...leases),
    abort: fc.constantFrom<Abort>("never", "never", "queued", "running")
  })
  return fc
    .record({
      kind: fc.constantFrom(...kinds),
      workers: fc.constantFrom(...workers),
      concurrency: fc.constantFrom(1, 1, 2),
      calls: fc.array(call, { minLength: 1, maxLength: 10 }),
      end: fc.constantFrom(...ends)
    })
    .map(bounded)
}
