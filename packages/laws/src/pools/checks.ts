/** The checks of the laws of pools: the trace of a run in, violations as sentences out. */
import type { PoolLaw } from "./laws.ts"
import type { Made, Outcome, PoolTrace } from "./poolRun.ts"
import { isCut, isKilled } from "./scenario.ts"

type Check = (trace: PoolTrace) => ReadonlyArray<string>

const nameOf = ({ how, n }: Made): string => `call ${n} (${how})`

const ownEnds: Readonly<Record<Made["how"], ReadonlyArray<Outcome>>> = {
  quick: ["value"],
  gate: ["value"],
  fail: ["failed"],
  exit: ["exited"],
  wait: [],
  spin: []
}

/** The ends that a call may have. */
const allowed = ({ calls, scenario }: PoolTrace, call: Made): ReadonlyArray<Outcome> => {
  if (call.abort === "queued") return ["cancelled"]
  const { concurrency, end } = scenario
  const isDropped = end._tag === "Drain" && end.queued === "drop" && call.how !== "gate"
  // The other tasks of a worker end with it.
  const takesOthers = concurrency > 1 && calls.some((other) => other.how === "exit" || isKilled(other))
  return [
    ...ownEnds[call.how],
    ...(call.abort === "running" ? (["cancelled"] as const) : []),
    ...(isCut(scenario) || isDropped ? (["closed"] as const) : []),
    ...(takesOthers ? (["exited"] as const) : [])
  ]
}

const hasRun = ({ outcome }: Made): boolean => outcome === "value" || outcome === "failed"

const tasksOnce: Check = (trace) =>
  trace.calls.flatMap((call) => {
    const { beganAt, endedAt, how, outcome, runs, settledAt } = call
    const problems: Array<string> = []
    if (!allowed(trace, call).includes(outcome)) problems.push(`ended as ${outcome}`)
    if (runs > 1) problems.push(`ran ${runs} times`)
    if (hasRun(call) && runs === 0) problems.push(`has its result (${outcome}) and never ran`)
    if (call.abort === "queued" && runs > 0) problems.push("ran after its abort")
    if (runs > 0 && settledAt > 0 && beganAt > settledAt) problems.push("began after it had settled")
    // Code that is ended by force, or with its worker, notes no end.
    const mustEnd = hasRun(call) || (how === "wait" && outcome === "cancelled" && runs > 0)
    if (mustEnd && (endedAt === 0 || endedAt > settledAt)) problems.push("settled before its function had ended")
    return problems.map((problem) => `${nameOf(call)} ${problem}`)
  })

const drainTrue: Check = ({ calls, drained, report, scenario }) => {
  if (report === undefined) return []
  const inPool = calls.filter(({ n }) => drained.includes(n))
  const closed = inPool.filter(({ outcome }) => outcome === "closed")
  const began = closed.filter(({ runs }) => runs > 0).length
  const unbegun = closed.length - began
  const own = inPool.length - closed.length
  const { cut, finished, neverStarted } = report
  const problems: Array<string> = []
  if (cut + finished + neverStarted !== inPool.length) problems.push(`it counts other than the ${inPool.length} calls`)
  if (cut < began) problems.push(`${began} were cut`)
  if (neverStarted > unbegun) problems.push(`${unbegun} never started`)
  // A call may be on its way to its worker, or at its end, when the drain cuts the running calls.
  const underWay = isCut(scenario) ? scenario.workers * scenario.concurrency : 0
  if (neverStarted < unbegun - underWay) problems.push(`${unbegun} never started`)
  if (finished > own || finished < own - underWay) problems.push(`${own} finished`)
  return problems.map((problem) => `the report is ${JSON.stringify(report)}, but ${problem}`)
}

const priorityFirst: Check = ({ calls, scenario }) => {
  if (scenario.workers > 1) return []
  const begun = calls
    .filter(({ how, runs }) => how !== "gate" && runs > 0)
    .toSorted((one, other) => one.beganAt - other.beganAt)
  return begun.slice(1).flatMap((call, index) => {
    const before = begun[index]!
    const isInOrder = before.priority === call.priority ? before.n < call.n : before.priority > call.priority
    return isInOrder
      ? []
      : [`${nameOf(before)} of priority ${before.priority} began before ${nameOf(call)} of ${call.priority}`]
  })
}

const leaseOnce: Check = ({ calls }) =>
  calls.flatMap((call) => {
    const { atEnd, atSettling, leases, outcome } = call
    const problems: Array<string> = []
    if (atSettling.acquired !== atSettling.released) {
      problems.push(`settled with ${atSettling.acquired} leases, of which ${atSettling.released} were released`)
    }
    if (atEnd.acquired > leases) problems.push(`acquired ${atEnd.acquired} leases for ${leases}`)
    if (hasRun(call) && atEnd.acquired < leases) problems.push(`ran with ${atEnd.acquired} of its ${leases} leases`)
    if (atEnd.released !== atEnd.acquired) {
      problems.push(`has acquired ${atEnd.acquired} leases, and ${atEnd.released} releases ran`)
    }
    return problems.map((problem) => `${nameOf(call)}, which ended as ${outcome}, ${problem}`)
  })

export const checks: Readonly<Record<PoolLaw, Check>> = {
  "tasks-once": tasksOnce,
  "drain-true": drainTrue,
  "priority-first": priorityFirst,
  "lease-once": leaseOnce
}
