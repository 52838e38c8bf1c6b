/** The laws on worker threads about killed, unwound and crashed workers. */
import * as Law from "@quiesce/testing/laws/Law"
import { isKilling } from "../src/Trial.ts"
import { suiteOnWorkers } from "./support.ts"

suiteOnWorkers({ kills: true, thorough: false }, Law.names.filter(isKilling))
