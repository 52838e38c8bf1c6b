/** Names on stderr the threads that still run, from one second after the end of a program has begun. */
import * as Effect from "effect/Effect"
import type * as Thread from "@quiesce/core/Thread"
import * as StatusLine from "../output/statusLine.ts"
import * as InTheWay from "./inTheWay.ts"

/** An end that takes no longer is not worth a line, in milliseconds. */
const quiet = 1000

/** Starts with the end of a program. The result ends the line. */
export const start = (name: string, thread: Thread.Thread.Any, kind: StatusLine.Kind): (() => void) => {
  const startedAt = performance.now()
  let line: StatusLine.StatusLine | undefined
  const show = (): void => {
    line ??= StatusLine.make(kind)
    if (line === undefined) return
    const elapsed = performance.now() - startedAt
    line.show(`${name}: waiting for ${Effect.runSync(InTheWay.short(thread))}  ${(elapsed / 1000).toFixed(1)} s`)
    timer = setTimeout(show, line.pause(elapsed))
  }
  let timer = setTimeout(show, quiet)
  return () => {
    clearTimeout(timer)
    line?.end()
  }
}
