/**
 * Sections of a program on the main thread, which Ctrl-C ends.
 *
 * Node handles SIGINT by other means while such a section runs. At the beginning and at the end of the section there are some
 * microseconds in which nobody handles SIGINT: a Ctrl-C then ends the process at once, or is lost. A program that runs
 * hundreds of short sections a second would often be hit. Therefore only some sections a second can be ended. Between the
 * others the program hears a Ctrl-C as usual.
 */
import type * as Blocking from "@quiesce/core/Blocking"
import type { CancelReason } from "@quiesce/core/CancelReason"
import { makeFiberSections, platformWatchdog } from "@quiesce/core/internal"

/** How many sections can be ended at once, and then a second. */
const rate = 20

export const runner = (received: () => CancelReason): Blocking.Runner =>
  makeFiberSections(platformWatchdog, { mayEnd: allowance(), received })

/** True for the first sections, and then at most `rate` times a second. */
export const allowance = (now: () => number = () => performance.now()): (() => boolean) => {
  let left = rate
  let at = now()
  return () => {
    const time = now()
    left = Math.min(rate, left + ((time - at) * rate) / 1000)
    at = time
    if (left < 1) return false
    left--
    return true
  }
}
