/** The budget of a run. A run without an end would keep its worker, and all later runs, waiting for ever. */

/** The greatest number of turns. */
const mostTurns = 5_000

/** The greatest duration in milliseconds. A run takes seconds at most. */
const longest = 120_000

export class RunBudget {
  private readonly latest = performance.now() + longest
  private turns = 0

  /** Counts a turn. Returns whether the run is endless. If so, `state` is written to the standard error. */
  spend(state: () => Readonly<Record<string, unknown>>): boolean {
    this.turns++
    if (this.turns <= mostTurns && !this.isLate) return false
    process.stderr.write(`A run is endless: ${JSON.stringify({ turns: this.turns, ...state() })}\n`)
    return true
  }

  get isLate(): boolean {
    return performance.now() > this.latest
  }
}
