/** The cost of a token's check in a hot loop of a worker. */
import { inPool } from "./pools.ts"
import type { Comparison, Measure } from "../Comparison.ts"

const hash = (checked: boolean): Measure => inPool(1, (pool) => pool.execute("Hash", { turns: 1_000_000, checked }))

export const comparisons: ReadonlyArray<Comparison> = [
  {
    id: "stop-token-loop",
    unit: "ns a turn, with token.check() and without",
    ours: hash(true),
    peer: hash(false),
    direction: "at most",
    target: 1.03,
    rounds: 15
  }
]
