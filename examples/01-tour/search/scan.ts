/** One loop that reads files over and over and counts their imports, run in four ways: each way ends on another rung. */
import { readFileSync, writeSync } from "node:fs"
import { Blocking } from "@quiesce/core"
import type { Escalation } from "@quiesce/core"
import { Effect } from "effect"

/** `report` is a file descriptor. `busy` is called once, after some files were read. */
interface Input {
  readonly paths: ReadonlyArray<string>
  readonly report: number
  readonly busy: () => void
}

const scan = ({ paths, report, busy }: Input, goesOn: () => boolean): number => {
  let read = 0
  while (goesOn()) {
    const path = paths[read++ % paths.length]!
    // Node reads a text file in one native call, so that no end falls between the opening and the closing of the file.
    const imports = readFileSync(path, "utf8").match(/^import\b/gm)?.length ?? 0
    writeSync(report, `${imports} ${path}\n`)
    if (read === 100) busy()
  }
  return read
}

const always = () => true

export const scanUntil: Readonly<Record<Escalation.Rung, (input: Input) => Effect.Effect<number>>> = {
  /** The loop polls its flag and returns the number of read files. */
  stop: (input) => Blocking.interruptible((token) => scan(input, () => !token.stopRequested), { grace: "10 seconds" }),

  /** The loop's token throws, so that the loop's own `finally` runs. */
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

  /** The loop checks nothing and is not declared as a section. */
  unwind: (input) => Effect.sync(() => scan(input, always)),

  /** The loop is declared as uninterruptible. */
  kill: (input) => Blocking.uninterruptible(() => scan(input, always))
}
