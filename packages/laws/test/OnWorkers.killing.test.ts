/** The laws on worker threads of what is killed, unwound or crashed. */
import * as Law from "@quiesce/testing/laws/Law"
import { isKilling } from "../src/Trial.ts"
import { suiteOnWorkers } from "./support.ts"

suiteOnWorkers({ kills: true, thorough: false }, Law.names.filter(isKilling))
