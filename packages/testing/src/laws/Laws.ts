/**
 * The laws as checks of an outcome, and as a suite of tests for any adapter.
 *
 * @since 0.1.0
 */
import { describe, expect, it, type TestContext } from "vitest"
import { type Adapter, applying } from "./Adapter.ts"
import { type Check as AnyCheck, checks } from "./checks/checks.ts"
import * as Law from "./Law.ts"
import * as Search from "./Search.ts"

/**
 * A check of a law: returns the violations in the outcome of a run, as sentences.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Check = AnyCheck

/**
 * The check of each law.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const laws: Readonly<Record<Law.Name, Check>> = checks

/**
 * Registers a test for each law of an adapter, and a test that compares the adapter with the model. `only` selects tests.
 * The runs of a test's programs are checked by all laws of the adapter.
 * Call the function in a test file.
 *
 * ```ts
 * import { Adapter, Laws } from "@quiesce/testing/laws"
 *
 * Laws.suite(Adapter.fromControls("mine", (effect, cell, options) => startElsewhere(effect, cell, options)))
 * ```
 *
 * @stability unstable
 * @category runners
 * @since 0.1.0
 */
export const suite = (
  adapter: Adapter,
  options: Search.Budget & {
    readonly only?: ReadonlyArray<Law.Name | "model"> | undefined
    readonly timeout?: number | undefined
  } = {}
): void => {
  const { only, timeout = 300_000, ...budget } = options
  const isWanted = (name: Law.Name | "model"): boolean => only?.includes(name) ?? true
  describe(`the laws on ${adapter.name}`, () => {
    for (const law of applying(adapter).filter(isWanted)) {
      it(`${law}: ${Law.statements[law]}`, { timeout }, ({ annotate }) =>
        holds(Search.runAll(law, adapter, budget), annotate)
      )
    }
    if (!isWanted("model")) return
    it("model: what happens is what a model without any runtime allows", { timeout }, ({ annotate }) =>
      holds(Search.model(adapter, budget), annotate)
    )
  })
}

const holds = async (search: Promise<Search.Finding>, annotate: TestContext["annotate"]): Promise<void> => {
  const finding = Search.render(await search)
  await annotate(finding)
  expect(finding).toContain(" 0 counterexamples")
}
