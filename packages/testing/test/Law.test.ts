/** The README lists the laws with the same names and texts as the test suite. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as Law from "@quiesce/testing/laws/Law"
import { expect, it } from "vitest"

const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8")

it("each of the 33 laws is in the README, with the text of the suite", () => {
  const rows = [...readme.matchAll(/^\| `([a-z-]+)` +\| (.+?) +\|$/gm)].map(([, name, statement]) => [name, statement])
  expect(rows).toEqual(Object.entries(Law.statements))
  expect(rows.length).toBe(33)
})
