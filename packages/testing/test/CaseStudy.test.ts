/** What the case study says of Effect's modules is what is found in them, and what it says it would find, it finds. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Interruption } from "@quiesce/testing"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { study, table } from "./fixtures/caseStudy.ts"
import { cases } from "./fixtures/effectPrograms.ts"
import { holders } from "./fixtures/leakyHolders.ts"

const page = readFileSync(join(import.meta.dirname, "../docs/case-study.md"), "utf8")

/** The rows of the page, without the spaces that align them. */
const rowsOfPage = page.split("\n").map((line) => line.replaceAll(/ +/g, " "))

const offline = cases.filter(({ live }) => live !== true)

it.each(offline)("the case study has the row of $module: $name", { timeout: 30_000 }, async (one) => {
  const [row] = table(await Effect.runPromise(study([one])))
  expect(rowsOfPage).toContain(row)
})

it.each(holders)("finds the gap in $module, a holder of a leaky shape", async ({ environment, problem, program }) => {
  const { findings } = await Effect.runPromise(Interruption.explore(program, { environment }))
  expect(findings.flatMap(({ problems }) => problems).join()).toContain(problem)
})
