/**
 * Prints the threads of the process, with their leases and the stacks of busy workers, shortly before a test of vitest runs
 * into its timeout. Name this module among the setup files of vitest:
 *
 *     export default defineConfig({ test: { setupFiles: ["@quiesce/testing/DumpBeforeTimeout"] } })
 *
 * The dump comes 1.5 seconds before the timeout, or at half of a timeout shorter than three seconds. Tests that end earlier
 * print nothing. A test that blocks the event loop prints nothing either: `npx quiesce ps` of `@quiesce/process` shows it.
 *
 * @since 0.1.0
 */
import { styleText } from "node:util"
import * as ThreadDump from "@quiesce/core/ThreadDump"
import * as Effect from "effect/Effect"
import { beforeEach } from "vitest"

/** The time from the dump to the timeout, in milliseconds. The search for stacks takes a second at most. */
const lead = 1500

/** The part of a short timeout. */
const share = 1 / 2

/** Node runs no longer timers, in milliseconds. */
const longest = 2 ** 31 - 1

// A test may put fake timers in their place.
const { clearTimeout, setTimeout } = globalThis

beforeEach(({ task }) => {
  const { fullTestName: name, timeout } = task
  // 0 is no limit.
  if (!(timeout > 0 && timeout <= longest)) return undefined
  const timer = setTimeout(() => print(name ?? task.name, timeout), timeout - Math.min(lead, timeout * share))
  return () => clearTimeout(timer)
})

const print = (name: string, timeout: number): void => {
  Effect.runFork(
    Effect.map(ThreadDump.whole, (dump) => {
      const threads = ThreadDump.render(dump, { paint })
      const held = threads === "" ? "No thread is alive, and no lease is held." : `Still alive:\n${threads}`
      process.stderr.write(`"${name}" will soon run into its timeout of ${timeout} ms. ${held}\n`)
    })
  )
}

const styles = {
  name: "bold",
  fine: "green",
  ending: "yellow",
  lost: "red",
  releasing: "magenta",
  detail: "dim"
} as const satisfies Readonly<Record<ThreadDump.Part, string>>

/** In colours where the output shows colours. Node honours NO_COLOR. */
const paint = (part: ThreadDump.Part, text: string): string => styleText(styles[part], text, { stream: process.stderr })
