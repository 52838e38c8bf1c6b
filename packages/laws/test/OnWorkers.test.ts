/** The laws on worker threads that need no worker to be killed. */
import * as Law from "@quiesce/testing/Law"
import { isKilling } from "../src/Trial.ts"
import { suiteOnWorkers } from "./support.ts"

suiteOnWorkers(
  { kills: false, thorough: false },
  Law.names.filter((law) => !isKilling(law))
)
