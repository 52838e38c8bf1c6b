/** Worker threads as what the laws are tried on: the same programs as for fibers, on real workers. */
import type { Adapter } from "@quiesce/testing/laws/Adapter"
import type { Outcome } from "@quiesce/testing/laws/Outcome"
import type { Scenario } from "@quiesce/testing/laws/Scenario"
import { crashes, type Fault, type Options as SeatOptions, Seat } from "./workers/Seat.ts"

/** An adapter with workers of its own, which end with `close`. */
export interface WorkerAdapter extends Adapter {
  readonly close: () => Promise<void>
}

/**
 * How much real time a run may cost, and which fault is planted. Each kill costs a worker: without `kills` no ladder has
 * that rung, and who outlasts the last one is given up instead. An unwind of a thread that waits costs half a second;
 * without `thorough` only synchronous code is unwound.
 */
export interface Options {
  readonly kills: boolean
  readonly thorough: boolean
  readonly fault?: Fault | undefined
}

/** Makes an adapter that runs scenarios on so many seats at a time. */
export const make = (seats: number, options: Options = { kills: true, thorough: false }): WorkerAdapter => {
  const { fault, kills, thorough } = options
  const ordinary = new Seats({ size: 1, thorough, fault }, seats)
  const doomed = new Seats({ size: 2, thorough, fault }, seats)
  return {
    name: "worker threads",
    lacks: {},
    parallel: seats,
    run: (scenario, cut) =>
      (crashes(scenario.program) ? doomed : ordinary).run(kills ? scenario : withoutKills(scenario), cut),
    close: async () => {
      await Promise.all([ordinary.close(), doomed.close()])
    }
  }
}

const withoutKills = ({ plan, program, seed, witnesses }: Scenario): Scenario => ({
  program,
  plan: plan.map((planned) => {
    if (planned.action._tag !== "Shutdown" || planned.action.climb.interrupt === null) return planned
    const { interrupt, stop, unwind } = planned.action.climb
    return { ...planned, action: { _tag: "Shutdown", climb: { stop, interrupt, unwind, kill: null } } }
  }),
  seed,
  witnesses
})

/** Seats, each made when it is first needed, and the runs that wait for one. */
class Seats {
  private readonly options: SeatOptions
  private readonly free: Array<Seat> = []
  private readonly all: Array<Seat> = []
  private readonly waiting: Array<(seat: Seat) => void> = []
  private readonly most: number

  constructor(options: SeatOptions, most: number) {
    this.options = options
    this.most = most
  }

  async run(scenario: Scenario, cut: number | null): Promise<Outcome> {
    const seat = await this.take()
    try {
      return await seat.run(scenario, cut)
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.free.push(seat)
      else next(seat)
    }
  }

  private take(): Promise<Seat> | Seat {
    const free = this.free.pop()
    if (free !== undefined) return free
    if (this.all.length < this.most) {
      const made = new Seat(this.options)
      this.all.push(made)
      return made
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((seat) => seat.close()))
  }
}
