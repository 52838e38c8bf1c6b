/** The checks of all laws. */
import type { Name } from "../Law.ts"
import type { Outcome } from "../Outcome.ts"
import * as ending from "./lawsOfEnding.ts"
import * as ladder from "./lawsOfLadder.ts"
import * as releasing from "./lawsOfReleasing.ts"
import * as telling from "./lawsOfTelling.ts"
import * as workers from "./lawsOfWorkers.ts"

export type Check = (outcome: Outcome) => ReadonlyArray<string>

export const checks: Readonly<Record<Name, Check>> = {
  ...releasing.laws,
  ...ending.laws,
  ...telling.laws,
  ...ladder.laws,
  ...workers.laws
}
