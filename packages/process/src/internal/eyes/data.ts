/** The data of a look at a process. */
import type { DumpedPlace } from "@quiesce/core/ThreadDump"

/**
 * A running process: its number, the version of its Node, its command, its main thread and its workers. `at` is the time of
 * the look in milliseconds since the epoch.
 *
 * A `stack` is there while the thread is busy. A `dump` is there if the thread exposes its threads: `Main.run` and the
 * workers of pools do so, and any other code by `ThreadDump.expose`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Data {
  readonly pid: number
  readonly at: number
  readonly node: string
  readonly command: ReadonlyArray<string>
  readonly main: DumpedPlace
  readonly workers: ReadonlyArray<DumpedPlace>
}
