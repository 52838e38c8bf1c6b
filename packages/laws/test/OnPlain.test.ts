/** The applicable laws on plain functions, and the comparison with the model. */
import { availableParallelism } from "node:os"
import * as Adapter from "@quiesce/testing/laws/Adapter"
import * as Laws from "@quiesce/testing/laws/Laws"
import { afterAll } from "vitest"
import * as PlainAdapter from "../src/PlainAdapter.ts"
import { budgetOf, isKilling } from "../src/Trial.ts"

const cores = Math.min(4, availableParallelism())
const cheap = PlainAdapter.make(cores, { kills: false, thorough: false })
const costly = PlainAdapter.make(cores, { kills: true, thorough: false })
for (const law of [...Adapter.applying(cheap), "model" as const]) {
  Laws.suite(isKilling(law) ? costly : cheap, { ...budgetOf("plain", law, false), only: [law] })
}
afterAll(() => Promise.all([cheap.close(), costly.close()]))
