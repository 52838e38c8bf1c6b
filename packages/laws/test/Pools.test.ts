/** The laws of pools, each with planted faults that its check finds. */
import { describe, expect, it } from "vitest"
import { type PoolLaw, statements } from "../src/pools/laws.ts"
import * as PoolSearch from "../src/pools/poolSearch.ts"
import { budgetOf } from "../src/Trial.ts"

const adapters: ReadonlyArray<PoolSearch.PoolAdapter> = ["plain", "workers"]

describe.each(adapters)("on %s", (adapter) => {
  it.each(Object.entries(statements))("%s: %s", async (name) => {
    // The statements have the laws as keys.
    const law = name as PoolLaw

    const finding = await PoolSearch.search(law, adapter, budgetOf(adapter, law, false))

    expect(PoolSearch.render(finding)).toContain(" 0 counterexamples")
  })
})

const faults: ReadonlyArray<readonly [PoolLaw, PoolSearch.Planted["fault"], PoolSearch.Planted["kinds"][number]]> = [
  ["tasks-once", "loses tasks", "plain"],
  ["tasks-once", "starts what was taken back", "light"],
  ["drain-true", "forgets what never started", "plain"],
  ["drain-true", "forgets what never started", "contract"],
  ["priority-first", "starves priorities", "contract"],
  ["lease-once", "forgets leases", "plain"],
  ["lease-once", "releases late", "plain"],
  ["lease-once", "releases twice", "contract"]
]

describe("the check of", () => {
  it.each(faults)("%s finds a pool that %s (%s)", async (law, fault, kind) => {
    const { counterexample } = await PoolSearch.search(
      law,
      "plain",
      { programs: 40, seed: 3 },
      { fault, kinds: [kind] }
    )

    expect(counterexample).toMatchObject({ law })
  })
})
