/** A short run of `pnpm chaos --processes`. */
import { expect, it } from "vitest"
import { chaos } from "./fixtures/chaos.ts"
import { showsProcesses } from "./processSupport.ts"

it.skipIf(!showsProcesses)(
  "no descendant of a random tree is left, though a third of the parents are killed",
  async () => {
    const { endings, findings, killedParents, orphans, trees } = await chaos({ processes: 36, seed: 20_261 })

    expect(findings).toStrictEqual([])
    expect(trees).toBe(36)
    expect(killedParents).toBe(1)
    expect(orphans).toBeGreaterThan(0)
    expect(Object.keys(endings).toSorted()).toStrictEqual(["Interruption", "Value"])
  }
)
