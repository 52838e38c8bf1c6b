/** The laws on real processes that apply to them. */
import * as Laws from "@quiesce/testing/laws/Laws"
import { describe } from "vitest"
import * as ProcessAdapter from "../src/ProcessAdapter.ts"

// Windows has no messages to a process.
describe.skipIf(process.platform === "win32")("processes", () => {
  Laws.suite(ProcessAdapter.make(), { programs: 3, whole: 0, cuts: 2 })
})
