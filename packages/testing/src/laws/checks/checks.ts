/** The checks of all laws. */
import type { Name } from "../Law.ts"
import type { Outcome } from "../Outcome.ts"
import * as ending from "./ending.ts"
import * as ladder from "./escalating.ts"
import * as releasing from "./releasing.ts"
import * as telling from "./delivering.ts"
import * as workers from "./workers.ts"

export type Check = (outcome: Outcome) => ReadonlyArray<string>

export const checks: Readonly<Record<Name, Check>> = {
  ...releasing.laws,
  ...ending.laws,
  ...telling.laws,
  ...ladder.laws,
  ...workers.laws
}
