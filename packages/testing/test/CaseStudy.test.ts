/** Compares the page of the case study with the findings in Effect's modules. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Interruption } from "@quiesce/testing"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { cells, share, study } from "./fixtures/caseStudy.ts"
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

/** The share of findings that the page's table shows for a program. */
const shareOfPage = ({ module, name }: Case): string | undefined =>
  rowsOfPage.find(([moduleCell, nameCell]) => moduleCell === module && nameCell === name)?.at(3)

/** Windows has none of the commands. */
const runnable = [...cases, ...nodeCases].filter(
  ({ module }) => process.platform !== "win32" || !/Process/.test(module)
)

const isLive = ({ live }: Case) => live !== undefined

it.each(runnable.filter((one) => !isLive(one)))("the case study has the row of $module: $name", async (one) => {
  const [row] = await Effect.runPromise(study([one], { quickly: true }))
  expect(rowsOfPage).toContainEqual(cells(row!))
})

/** The findings in `@effect/platform-node` that every machine makes with a few cancels. */
const known = [
  "a handle was left: pipe",
  'a listener was left: "onReadable" for "readable"',
  '"a process of node that was alive at the end" was acquired and not released',
  '"what the worker holds" was acquired and not released',
  '"a temporary folder" was acquired and not released',
  "ENOTEMPTY",
  "Not a valid effect"
]

/** The shares of findings that a study with few cancels may have, by the share in a study with many. */
const seenFor: Readonly<Record<string, ReadonlyArray<string>>> = {
  none: ["none"],
  few: ["none", "few", "some"],
  some: ["few", "some"],
  all: ["all"]
}

/**
 * The time limit of the study of one program. With real processes and timers, a busy machine needs more cancels for the
 * same findings.
 */
const studies = 8

it.each(runnable.filter(isLive))(
  "the case study has the row of $module: $name, run with real processes and timers",
  async (one) => {
    const documented = shareOfPage(one)
    const expected = seenFor[documented ?? ""] ?? []
    let found: string | undefined
    for (let count = 0; count < studies && !expected.includes(found ?? ""); count++) {
      const [row] = await Effect.runPromise(study([one], { quickly: true }))
      expect(row!.cuts).toBe(one.live?.quick)
      const unknown = row!.problems.filter((problem) => !known.some((one) => problem.includes(one)))
      expect(unknown).toEqual([])
      found = share(row!)
      // A program without a gap has no finding in any study.
      if (documented === "none") break
    }
    expect(expected).toContain(found)
  }
)

it.each(holders)(
  "finds the gap of one step in $module, a holder with a known leak",
  async ({ environment, problem, program }) => {
    const { findings } = await Effect.runPromise(Interruption.explore(program, { environment }))
    expect(findings.flatMap(({ problems }) => problems).join()).toContain(problem)
  }
)
