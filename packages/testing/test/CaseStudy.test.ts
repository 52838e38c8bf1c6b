/** What the case study says of Effect's modules is what is found in them, and what it says it would find, it finds. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Interruption } from "@quiesce/testing"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { cells, study } from "./fixtures/caseStudy.ts"
import { type Case, cases } from "./fixtures/effectPrograms.ts"
import { nodeCases } from "./fixtures/nodePrograms.ts"
import { holders } from "./fixtures/leakyHolders.ts"

const page = readFileSync(join(import.meta.dirname, "../docs/case-study.md"), "utf8")

/** The cells of the page's table. */
const rowsOfPage = page.split("\n").map((line) =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim())
)

/** Windows has none of the commands. */
const runnable = [...cases, ...nodeCases].filter(
  ({ module }) => process.platform !== "win32" || !/Process/.test(module)
)

const isLive = ({ live }: Case) => live !== undefined

it.each(runnable.filter((one) => !isLive(one)))("the case study has the row of $module: $name", async (one) => {
  const [row] = await Effect.runPromise(study([one], { quickly: true }))
  expect(rowsOfPage).toContainEqual(cells(row!))
})

/** What is found with `@effect/platform-node`, as far as each machine finds it in a few hits. */
const known = [
  "a handle was left: pipe",
  '"a process of node that was alive at the end" was acquired and not released',
  '"what the worker holds" was acquired and not released',
  '"a temporary folder" was acquired and not released',
  "ENOTEMPTY",
  "Not a valid effect"
]

/** What a few hits may show of a program, by what many have. */
const seenFor: Readonly<Record<string, ReadonlyArray<string>>> = {
  none: ["none"],
  few: ["none", "few", "some"],
  some: ["few", "some"],
  all: ["all"]
}

/** Where a cut falls in the real world is up to the machine: on a busy one it takes more of them to find as much. */
const studies = 8

it.each(runnable.filter(isLive))("the case study has the row of $module: $name, in the real world", async (one) => {
  const [, , , shareOfPage] = rowsOfPage.find((cells) => cells[0] === one.module && cells[1] === one.name) ?? []
  const expected = seenFor[shareOfPage ?? ""] ?? []
  let share: string | undefined
  for (let count = 0; count < studies && !expected.includes(share ?? ""); count++) {
    const [row] = await Effect.runPromise(study([one], { quickly: true }))
    expect(row!.cuts).toBe(one.live?.quick)
    const unknown = row!.problems.filter((problem) => !known.some((one) => problem.includes(one)))
    expect(unknown).toEqual([])
    share = cells(row!)[3]
    // What has no gap has none in any of them.
    if (shareOfPage === "none") break
  }
  expect(expected).toContain(share)
})

it.each(holders)("finds the gap in $module, a holder of a leaky shape", async ({ environment, problem, program }) => {
  const { findings } = await Effect.runPromise(Interruption.explore(program, { environment }))
  expect(findings.flatMap(({ problems }) => problems).join()).toContain(problem)
})
