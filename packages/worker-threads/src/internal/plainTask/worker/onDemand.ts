/** Code that a worker loads on its first use. That use takes some milliseconds longer. */
import type * as Failures from "./failures.ts"
import type * as PlainLeases from "./plainLeases.ts"
import type * as Reporter from "./reporter.ts"

type Use<Code> = (code: Code) => void

export class OnDemand<Code> {
  readonly #load: () => Promise<Code>
  #code: Code | undefined
  /** The uses that wait while the code is loaded. */
  #waiting: Array<Use<Code>> | undefined

  constructor(load: () => Promise<Code>) {
    this.#load = load
  }

  get isLoading(): boolean {
    return this.#waiting !== undefined
  }

  /** Calls `f` with the code, in the order of the uses: at once if the code is loaded. */
  use(f: Use<Code>): void {
    if (this.#code !== undefined) return f(this.#code)
    if (this.#waiting !== undefined) return void this.#waiting.push(f)
    const waiting = [f]
    this.#waiting = waiting
    // If a file is missing, the rejection ends the worker, and the host reports it.
    void this.#finish(waiting)
  }

  async #finish(waiting: ReadonlyArray<Use<Code>>): Promise<void> {
    const code = await this.#load()
    this.#code = code
    this.#waiting = undefined
    for (const use of waiting) use(code)
  }
}

export const failures: OnDemand<typeof Failures> = new OnDemand(() => import("./failures.ts"))

export const leases: OnDemand<typeof PlainLeases> = new OnDemand(() => import("./plainLeases.ts"))

export const reports: OnDemand<typeof Reporter> = new OnDemand(() => import("./reporter.ts"))
