/**
 * A scene: one way for a thread to end, shown on real work. A scene runs as a thread below the tour's thread, so that its
 * leases are counted for the scene and are released when the scene ends.
 */
import { Effect } from "effect"
import type { Escalation } from "@quiesce/core"
import type { Scope } from "effect"

/**
 * The input of the scenes. `leak` leaves out one backstop, so that the tour can show that it notices a leak. A scene calls
 * `freedBy` for a resource that its own release has not freed, because the release was given up or the lease was lost.
 */
export interface Place {
  readonly folder: string
  readonly database: string
  readonly sources: ReadonlyArray<string>
  readonly leak: boolean
  readonly freedBy: (cause: string, count?: number) => void
}

/**
 * The result of a scene.
 *
 * - `asked`: the request to the thread
 * - `rung`: the rung on which the thread ended, null if the thread went on or ended by itself
 * - `millis`: the time from the request to the end
 * - `story`: the observations, one a line
 * - `rows`: the number of rows that the scene has left in the database under its name
 * - `parts`: one line for each thread of a scene with many threads, printed before the story
 */
export interface Outcome {
  readonly asked: string
  readonly rung: Escalation.Rung | null
  readonly millis: number
  readonly story: ReadonlyArray<string>
  readonly rows: number
  readonly parts?: ReadonlyArray<Part>
}

/** One thread of many. `rung` is null if the thread was left out. */
export interface Part {
  readonly name: string
  readonly asked: string
  readonly rung: Escalation.Rung | null
  readonly millis: number
  readonly acquired: number
  readonly released: number
  readonly left: number
}

export interface Scene {
  readonly name: string
  readonly run: (place: Place) => Effect.Effect<Outcome, never, Scope.Scope>
}

/** The scene fails if `holds` is false. */
export const expect = (holds: boolean, claim: string): Effect.Effect<void> =>
  holds ? Effect.void : Effect.die(new Error(`Expected: ${claim}`))
