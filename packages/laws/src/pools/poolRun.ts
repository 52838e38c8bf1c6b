/** Runs a scenario on a pool, and records the outcome of each call. Nothing here loads Effect. */
import { setImmediate as turn } from "node:timers/promises"
import type { Task } from "@quiesce/worker-threads"
import { type Call, isCut, type PoolScenario } from "./scenario.ts"
import { type Cells, makeCells, tick, type Work, word, wordsOf } from "./work.ts"

/** The leases of a call that its host has acquired, and those that it has released. */
export interface Leases {
  readonly acquired: number
  readonly released: number
}

/** A pool under test, by Promise. */
export interface Subject {
  readonly run: (work: Work, options: { readonly signal?: AbortSignal; readonly priority?: number }) => Promise<number>
  readonly drain: (options: Task.DrainOptions) => Promise<Task.DrainReport>
  readonly close: () => Promise<void>
  readonly leases: (cells: Cells, n: number) => Leases
}

export type Outcome = "value" | "failed" | "cancelled" | "closed" | "exited" | "unsettled" | `other: ${string}`

/** What became of a call. Times are ticks of the clock in shared memory, and 0 before. */
export interface Made extends Omit<Call, "how"> {
  readonly how: Work["how"]
  readonly n: number
  readonly outcome: Outcome
  readonly runs: number
  readonly beganAt: number
  readonly endedAt: number
  readonly settledAt: number
  /** The leases when the call settled, and those at the end of the pool. */
  readonly leases: number
  readonly atSettling: Leases
  readonly atEnd: Leases
}

export interface PoolTrace {
  readonly scenario: PoolScenario
  readonly calls: ReadonlyArray<Made>
  /** The numbers of the calls that were in the pool when the drain began. */
  readonly drained: ReadonlyArray<number>
  readonly report: Task.DrainReport | undefined
}

type GivenWork = Work & { readonly cells: Cells }

class Calling {
  readonly work: Work
  readonly cells: Cells
  readonly given: Omit<Call, "how">
  readonly controller: AbortController = new AbortController()
  readonly settled: Promise<void>
  outcome: Outcome = "unsettled"
  settledAt = 0
  atSettling: Leases = { acquired: 0, released: 0 }

  /** `cells` are part of the input unless the worker has them from an earlier call. */
  constructor(subject: Subject, { cells, ...rest }: GivenWork, given: Omit<Call, "how">, isBare = false) {
    const work: Work = isBare ? rest : { ...rest, cells }
    this.cells = cells
    this.work = work
    this.given = given
    const { abort, priority } = given
    const options = {
      // A light pool takes calls without a priority.
      ...(priority === 0 ? {} : { priority }),
      ...(abort === "never" ? {} : { signal: this.controller.signal })
    }
    const settle = (outcome: Outcome): void => {
      this.settledAt = tick(cells)
      this.atSettling = subject.leases(cells, work.n)
      this.outcome = outcome
    }
    this.settled = subject.run(work, options).then(
      (value) => settle(value === work.n ? "value" : `other: the value ${value}`),
      (error: unknown) => settle(this.outcomeOf(error))
    )
  }

  private outcomeOf(error: unknown): Outcome {
    if (this.controller.signal.aborted && error === this.controller.signal.reason) return "cancelled"
    const { message, name, reason } = error as Error & { readonly reason?: { readonly _tag?: string } }
    if (message === `${this.work.n} fails`) return "failed"
    const tag = reason?._tag ?? name
    if (tag === "PoolClosed" || tag === "Shutdown") return "closed"
    return tag === "WorkerExited" ? "exited" : `other: ${tag} ${message}`
  }

  /** Waits until the function has begun or the call has settled. */
  async begun(): Promise<void> {
    const { n } = this.work
    const { cells } = this
    const waiting = Atomics.waitAsync(cells, wordsOf(n).runs, 0)
    if (waiting.async) await Promise.race([waiting.value, this.settled])
  }

  made(subject: Subject): Made {
    const { atSettling, cells, given, outcome, settledAt, work } = this
    const { how, n } = work
    const { beganAt, endedAt, runs } = wordsOf(n)
    const times = { runs: cells[runs]!, beganAt: cells[beganAt]!, endedAt: cells[endedAt]!, settledAt }
    return { ...given, ...times, how, n, outcome, atSettling, atEnd: subject.leases(cells, n) }
  }
}

const within = async (millis: number, done: Promise<unknown>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([done, new Promise((resolve) => void (timer = setTimeout(resolve, millis)))])
  clearTimeout(timer)
}

const plain = { priority: 0, leases: 0, abort: "never" } as const

/** Aborts the calls that wait, and each of those that are to run when its function has begun. */
const abort = async (calls: ReadonlyArray<Calling>, patience: number): Promise<void> => {
  const queued = calls.filter(({ given }) => given.abort === "queued")
  for (const { controller } of queued) controller.abort(new Error("enough"))
  await within(patience, Promise.all(queued.map(({ settled }) => settled)))
  for (const calling of calls) {
    if (calling.given.abort === "running")
      void calling.begun().then(() => calling.controller.abort(new Error("enough")))
  }
}

const openGate = (cells: Cells): void => {
  Atomics.store(cells, word.gate, 1)
  Atomics.notify(cells, word.gate)
}

/** Requests the end of the pool. */
const ending = (subject: Subject, { end }: PoolScenario): Promise<Task.DrainReport | undefined> => {
  switch (end._tag) {
    case "None":
      return Promise.resolve(undefined)
    case "Close":
      return subject.close().then(() => undefined)
    case "Drain":
      return subject.drain({ queued: end.queued, ...(end.within === undefined ? {} : { within: end.within }) })
  }
}

/** Whether the calls leave their shared memory out. A light pool sends only small plain data ahead. */
const isBare = ({ calls, kind }: PoolScenario): boolean =>
  // A new worker would not have the memory.
  kind === "light" && !calls.some(({ how }) => how === "exit" || how === "spin")

const warmUps = 10

/** `patience`: after this number of milliseconds a call counts as lost. */
export const perform = async (subject: Subject, scenario: PoolScenario, patience: number): Promise<PoolTrace> => {
  const { calls, concurrency, workers } = scenario
  const bare = isBare(scenario)
  const places = workers * concurrency
  const cells = makeCells(calls.length + places + 1)
  const first: GivenWork = { n: calls.length + places, how: "quick", leases: 0, cells }
  // Short calls come first, because a light pool sends calls ahead to workers whose last call was short.
  for (let i = 0; i < warmUps; i++) await new Calling(subject, first, plain).settled
  const gates = Array.from(
    { length: places },
    (_, i) => new Calling(subject, { n: calls.length + i, how: "gate", leases: 0, cells }, plain)
  )
  await within(patience, Promise.all(gates.map((gate) => gate.begun())))
  const made = calls.map(
    ({ how, ...given }, n) => new Calling(subject, { n, how, leases: given.leases, cells }, given, bare)
  )
  await abort(made, patience)
  await turn()
  const all = [...made, ...gates]
  const drained = all.filter(({ outcome }) => outcome === "unsettled").map(({ work }) => work.n)
  const end = ending(subject, scenario)
  if (isCut(scenario)) await turn()
  openGate(cells)
  await within(patience, Promise.all(all.map(({ settled }) => settled)))
  const isLost = all.some(({ outcome }) => outcome === "unsettled")
  // The end of a pool that has lost a call may never come.
  if (!isLost) await subject.close()
  const report = isLost ? undefined : await end
  return { scenario, calls: all.map((calling) => calling.made(subject)), drained, report }
}
