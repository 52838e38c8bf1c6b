/** The laws on worker threads without killed workers, and the comparison with the model. */
import * as Law from "@quiesce/testing/laws/Law"
import { isKilling } from "../src/Trial.ts"
import { suiteOnWorkers } from "./support.ts"

suiteOnWorkers({ kills: false, thorough: false }, [...Law.names.filter((law) => !isKilling(law)), "model"])
