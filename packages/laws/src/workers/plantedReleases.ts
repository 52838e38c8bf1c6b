/** The planted faults of the releases in a worker: core with a part of a lease replaced. */
import * as Thread from "@quiesce/core/Thread"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

type Release = Parameters<Subject["lease"]>[0]["release"]

/** The mark of fibers that run a release, by the key of core. */
const CurrentRelease = Context.Reference<unknown>("@quiesce/core/Lease/CurrentRelease", {
  defaultValue: () => undefined
})

const released = (change: (given: ReturnType<Release>) => ReturnType<Release>): Partial<Subject> => ({
  lease: (options) => core.lease({ ...options, release: (name, exit) => change(options.release(name, exit)) })
})

interface Holder {
  readonly account?: { readonly latest: { release: unknown } | undefined }
}

export const planted = {
  /** A section of a release with a limit then starts and ends like a section of the body. */
  "shields no sections of releases": released((given) =>
    Effect.isEffect(given) ? Effect.provideService(given, CurrentRelease, undefined) : given
  ),
  /** Effect ends a whole fiber at a value that is no effect. */
  "runs values that are no effects": released((given) =>
    Effect.isEffect(given) ? given : Effect.flatMap(Effect.void, () => given)
  ),
  /** A thread is abandoned without its remaining releases. */
  "holds up releases": {
    lease: (options) =>
      Effect.tap(core.lease(options), () =>
        Effect.map(Thread.current, (thread) => {
          // Every handle is the record of its thread.
          const latest = (thread as unknown as Holder).account?.latest
          if (latest !== undefined) latest.release = undefined
        })
      )
  }
} as const satisfies Readonly<Record<string, Partial<Subject>>>
