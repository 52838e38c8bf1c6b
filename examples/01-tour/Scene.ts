/**
 * A scene: one way for a thread to end, shown on real work. A scene runs as a thread of its own below the tour's, so
 * what it acquires is counted for it and is gone when it has ended.
 */
import { Effect } from "effect"
import type { Escalation, ThreadError } from "@quiesce/core"
import type { Scope } from "effect"

/**
 * What the scenes work with. `leak` leaves out one backstop, to see the tour notice. `rescue` is told by what leases
 * are gone all the same whose own release was given up, or which were lost with a killed thread.
 */
export interface Place {
  readonly folder: string
  readonly database: string
  readonly sources: ReadonlyArray<string>
  readonly leak: boolean
  readonly rescue: (by: string, count?: number) => void
}

/**
 * What a scene saw.
 *
 * - `asked`: what was asked of the thread
 * - `rung`: where it ended, null when it went on or ended by itself
 * - `millis`: from the question to the end
 * - `story`: what came of it, a line each
 * - `rows`: what the scene has left in the database under its name
 * - `parts`: what a scene of many threads saw of each, a line each before the story
 */
export interface Outcome {
  readonly asked: string
  readonly rung: Escalation.Rung | null
  readonly millis: number
  readonly story: ReadonlyArray<string>
  readonly rows: number
  readonly parts?: ReadonlyArray<Part>
}

/** One thread of many. `rung` is null where it was left out. */
export interface Part {
  readonly name: string
  readonly asked: string
  readonly rung: Escalation.Rung | null
  readonly millis: number
  readonly acquired: number
  readonly released: number
}

export interface Scene {
  readonly name: string
  readonly run: (place: Place) => Effect.Effect<Outcome, ThreadError.ThreadError, Scope.Scope>
}

/** The scene has failed when this does not hold. */
export const expect = (holds: boolean, what: string): Effect.Effect<void> =>
  holds ? Effect.void : Effect.die(new Error(`Expected: ${what}`))
