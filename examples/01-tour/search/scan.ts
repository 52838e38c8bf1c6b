/** One loop, which reads files over and over and counts the imports in them, run in four ways: each ends on its rung. */
import { readFileSync, writeSync } from "node:fs"
import { Blocking } from "@quiesce/core"
import type { Escalation, ThreadError } from "@quiesce/core"
import { Effect } from "effect"

/** `report` is a file descriptor; `busy` is called once, when some files have been read. */
interface Input {
  readonly paths: ReadonlyArray<string>
  readonly report: number
  readonly busy: () => void
}

const scan = ({ paths, report, busy }: Input, goesOn: () => boolean): number => {
  let read = 0
  while (goesOn()) {
    const path = paths[read++ % paths.length]!
    // Read as text, Node opens and closes the file in one native call, which no end can cut in two.
    const imports = readFileSync(path, "utf8").match(/^import\b/gm)?.length ?? 0
    writeSync(report, `${imports} ${path}\n`)
    if (read === 100) busy()
  }
  return read
}

const always = () => true

export const scanUntil: Readonly<
  Record<Escalation.Rung, (input: Input) => Effect.Effect<number, ThreadError.ThreadError>>
> = {
  /** It looks at its flag, and returns what it has. */
  stop: (input) => Blocking.interruptible((token) => scan(input, () => !token.stopRequested), { grace: "10 seconds" }),

  /** It lets its token throw, which runs its own `finally`. */
  interrupt: (input) =>
    Blocking.interruptible(
      (token) => {
        try {
          return scan(input, () => (token.check(), true))
        } finally {
          writeSync(input.report, "cut short\n")
        }
      },
      { grace: "10 seconds" }
    ),

  /** It hears nothing, and has not said that it may be ended. */
  unwind: (input) => Effect.sync(() => scan(input, always)),

  /** It has said that it must not be ended. */
  kill: (input) => Blocking.uninterruptible(() => scan(input, always))
}
