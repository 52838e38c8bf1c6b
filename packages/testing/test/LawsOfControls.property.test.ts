/** The laws hold for an adapter that is made from controls, as a user would write one. */
import { Laws } from "@quiesce/testing/laws"
import { remote } from "./fixtures/remoteAdapter.ts"

Laws.suite(remote, { programs: 20, whole: 10, cuts: 10 })
