/** The applicable laws on real processes. */
import * as Laws from "@quiesce/testing/laws/Laws"
import { describe } from "vitest"
import * as ProcessAdapter from "../src/ProcessAdapter.ts"
import * as Trial from "../src/Trial.ts"

// Windows has no messages to a process.
describe.skipIf(process.platform === "win32")("processes", () => {
  // Without the model, which lacks exit codes, as in `pnpm laws`.
  const only = Trial.select({ adapter: "processes" }).flatMap(({ law }) => (Trial.hasScenarios(law) ? [] : [law]))
  Laws.suite(ProcessAdapter.make(), { programs: 3, whole: 0, cuts: 2, only })
})
