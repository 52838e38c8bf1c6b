/** The planted faults of the worker's side: core with one function replaced. */
import * as Blocking from "@quiesce/core/Blocking"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import * as Effect from "effect/Effect"
import { planted as ofReleases } from "./plantedReleases.ts"

const planted = {
  ...ofReleases,
  /** All sections run without a shield. */
  "ends masked sections": { spin: (_, section) => Effect.interruptible(Blocking.interruptible(section)) },
  "hides failures of releases": {
    lease: (options) =>
      core.lease({
        ...options,
        release: (value, exit) =>
          Effect.catchCause(
            Effect.suspend(() => options.release(value, exit)),
            () => Effect.void
          )
      })
  },
  "ignores cancels": { spawn: (effect, options) => core.spawn(Effect.uninterruptible(effect), options) },
  "ignores deadlines": { deadline: (work) => work },
  "starts what is forked too late": {
    spawn: (effect, options) =>
      Effect.tap(core.spawn(effect, options), (thread) =>
        ThreadAdapter.controlsOf(thread).poll() === undefined ? Effect.void : Effect.forkDetach(Effect.scoped(effect))
      )
  }
} as const satisfies Readonly<Record<string, Partial<Subject>>>

export type Planted = keyof typeof planted

/** The functions that a fault replaces. */
export const replaced = (fault: unknown): Partial<Subject> =>
  // A key of the record.
  typeof fault === "string" && Object.hasOwn(planted, fault) ? planted[fault as Planted] : {}
