/**
 * The number of leases that the tasks of one worker may have at a time. Each costs the host memory, and a faulty worker
 * would otherwise take all of it.
 */

/** More leases than any program is known to hold. */
const most = 100_000

export class Allowance {
  private left = most
  private readonly refuse: (problem: string) => void

  /** `refuse` is called when the worker asks for more. */
  constructor(refuse: (problem: string) => void) {
    this.refuse = refuse
  }

  /** False if the worker has been refused. */
  take(): boolean {
    if (this.left === 0) {
      this.refuse(`its tasks hold or ask for more than ${most} leases; release leases earlier`)
      return false
    }
    this.left--
    return true
  }

  giveBack(count: number): void {
    this.left += count
  }
}
