/**
 * The events in the lives of threads, recorded while a program runs: spawn, start, requests, releases and ends, with their
 * times. A timeline is shown as a picture, as text, and as a trace for Perfetto.
 *
 * Without a recording, each step of a thread costs one comparison.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Argument from "./internal/argument.ts"
import * as Texts from "./internal/errorTexts.ts"
import { givenText } from "./internal/givenText.ts"
import * as Misuse from "./internal/misuse.ts"
import type { Timeline } from "./internal/timeline/model.ts"
import { Recorder } from "./internal/timeline/recorder.ts"
import * as Picture from "./internal/timeline/picture.ts"
import * as Text from "./internal/timeline/text.ts"
import * as Trace from "./internal/timeline/trace.ts"

export type { Event, EventKind, RecordedLease, RecordedThread, Timeline } from "./internal/timeline/model.ts"

/**
 * A recording. `read` gives the timeline so far, and after the end of the recording the whole timeline.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Recording {
  readonly read: Effect.Effect<Timeline>
}

const defaultCapacity = 10_000
const maxCapacity = 1_000_000

/**
 * Records the events of all threads of this JavaScript thread until the scope closes, also of threads from before. The
 * times are by the `Clock` of the context, which is `performance.now` unless a test has another one.
 *
 * `capacity` is the number of events that are kept, 10,000 by default. Older events are dropped and counted. An event
 * takes some 300 bytes. Dies with `InvalidCapacity` if the capacity is no number from 1 to 1,000,000.
 *
 * ```ts
 * import { Thread } from "@quiesce/core"
 * import * as Timeline from "@quiesce/core/Timeline"
 * import { Console, Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const recording = yield* Timeline.record()
 *   const reader = yield* Thread.spawn(Effect.never, { name: "reader" })
 *   yield* Effect.sleep("10 millis")
 *   yield* Thread.interrupt(reader)
 *   yield* Console.log(Timeline.render(yield* recording.read))
 * })
 *
 * Effect.runFork(Effect.scoped(program))
 * ```
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const record = (options?: {
  readonly capacity?: number | undefined
}): Effect.Effect<Recording, never, Scope.Scope> => {
  const capacity = options?.capacity === undefined ? defaultCapacity : options.capacity
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > maxCapacity)
    return Misuse.die({ _tag: "InvalidCapacity", given: givenText(capacity) }, Texts.invalidCapacity)
  return Effect.map(
    Effect.acquireRelease(
      Clock.clockWith((clock) => Effect.sync(() => new Recorder(clock, capacity))),
      (recorder) => Effect.sync(() => recorder.end())
    ),
    (recorder) => ({ read: Effect.sync(() => recorder.read()) })
  )
}

/**
 * A timeline as text, one event a line, indented by the depth of the thread. Control characters of names are escaped.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const render = (self: Timeline): string => Text.render(checked("render", self))

/** The given timeline. Throws where a user without types gives something else. */
const checked = (operation: string, self: Timeline): Timeline => {
  if (hasProperty(self, "threads") && hasProperty(self, "events")) return self
  throw Argument.wrong(`Timeline.${operation}`, self, "a timeline: the result of `yield* recording.read`")
}

/**
 * A timeline as an SVG picture: a lane for each thread, below its parent. The colours of a lane are the rungs of the requests
 * to the thread, leases are lines below the lane, and their releases are bars. The picture follows the light or dark scheme
 * of its reader. It shows 1,000 threads at most, and says how many more there are.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const renderSvg = (self: Timeline): string => Picture.render(checked("renderSvg", self))

/**
 * A timeline in Chrome's JSON format, for https://ui.perfetto.dev, chrome://tracing and https://www.speedscope.app. Rungs,
 * releases and leases overlap and are async events, which Speedscope leaves out.
 *
 * @stability unstable
 * @category conversions
 * @since 0.1.0
 */
export const renderTrace = (self: Timeline): string => Trace.render(checked("renderTrace", self))
