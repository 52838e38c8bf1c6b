/** A short run of `pnpm chaos --processes`. */
import { expect, it } from "vitest"
import { chaos } from "./fixtures/chaos.ts"
import { showsProcesses } from "./processSupport.ts"

it.skipIf(!showsProcesses)(
  "no descendant of a random tree is left, although a third of the parents are killed",
  async () => {
    const { endings, findings, killedParents, orphanedTrees, orphans, trees } = await chaos({
      processes: 36,
      seed: 20_261
    })

    expect(findings).toStrictEqual([])
    // A parent may also have started its last tree before it was killed.
    expect(trees).toBeGreaterThanOrEqual(36)
    expect(trees - orphanedTrees).toBe(24)
    expect(killedParents).toBeGreaterThan(0)
    expect(orphans).toBeGreaterThan(0)
    expect(Object.keys(endings).toSorted()).toStrictEqual(["Interruption", "Value"])
  }
)
