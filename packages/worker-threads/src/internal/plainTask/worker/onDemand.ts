/** Code that a worker loads on its first use. That use takes some milliseconds longer. */

/** The state of the code. */
type State<Code> =
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Loading"; readonly uses: Array<(code: Code) => void> }
  | { readonly _tag: "Loaded"; readonly code: Code }

export class OnDemand<Code> {
  readonly #load: () => Promise<Code>
  #state: State<Code> = { _tag: "Absent" }

  constructor(load: () => Promise<Code>) {
    this.#load = load
  }

  get isLoading(): boolean {
    return this.#state._tag === "Loading"
  }

  /** Calls `f` with the code, in the order of the uses: at once if the code is loaded. */
  use(f: (code: Code) => void): void {
    const state = this.#state
    if (state._tag === "Loaded") return f(state.code)
    if (state._tag === "Loading") return void state.uses.push(f)
    const uses = [f]
    this.#state = { _tag: "Loading", uses }
    // If a file is missing, the rejection ends the worker, and the host reports it.
    void this.#finish(uses)
  }

  async #finish(uses: ReadonlyArray<(code: Code) => void>): Promise<void> {
    const code = await this.#load()
    this.#state = { _tag: "Loaded", code }
    for (const use of uses) use(code)
  }
}

export const failures: OnDemand<typeof import("./failures.ts")> = new OnDemand(() => import("./failures.ts"))

export const leases: OnDemand<typeof import("./plainLeases.ts")> = new OnDemand(() => import("./plainLeases.ts"))
