/**
 * The laws as checks on what happened: each takes the outcome of a run and gives what it breaks, as sentences.
 *
 * @since 0.1.0
 */
import type { Outcome } from "./Scenario.ts"
import * as ending from "./internal/lawsOfEnding.ts"
import * as releasing from "./internal/lawsOfReleasing.ts"
import * as telling from "./internal/lawsOfTelling.ts"

/**
 * A check: nothing where the law holds.
 *
 * @category models
 * @since 0.1.0
 */
export type Law = (outcome: Outcome) => ReadonlyArray<string>

/**
 * The name of a law that is checked.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof releasing.laws | keyof typeof ending.laws | keyof typeof telling.laws

/**
 * All laws that are checked, by name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const laws: Readonly<Record<Name, Law>> = { ...releasing.laws, ...ending.laws, ...telling.laws }
