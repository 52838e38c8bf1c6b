/**
 * One line about the state of a long wait, on stderr. In a terminal the line is rewritten by `log-update`; elsewhere there
 * is a new line now and then.
 *
 * `log-update` moves the cursor up and erases the lines that it wrote last. Output of the program in between would be erased
 * instead, so the line is then left where it is, and a new one begins below.
 */
import { isatty } from "node:tty"
import type { createLogUpdate } from "log-update"

export interface StatusLine {
  readonly show: (text: string) => void
  /** The time from one text to the next, in milliseconds. `elapsed` is the time since the wait began. */
  readonly pause: (elapsed: number) => number
  /** Erases the line in a terminal. */
  readonly end: () => void
}

/** `auto` rewrites the line in a terminal. */
export type Kind = "auto" | "lines" | "none"

const stderr = 2

export const make = (kind: Kind): StatusLine | undefined => {
  if (kind === "none") return undefined
  return kind === "auto" && canRewrite() ? new RewrittenLine() : new PlainLines()
}

/** A terminal without a size, as some containers give, shows nothing that `log-update` writes. */
const canRewrite = (): boolean => {
  if (!isatty(stderr) || process.env["TERM"] === "dumb") return false
  const { columns, rows } = process.stderr
  return columns > 0 && rows > 0
}

/** Each pause is as long as the wait before. */
class PlainLines implements StatusLine {
  show(text: string): void {
    process.stderr.write(`${text}\n`)
  }

  pause(elapsed: number): number {
    return elapsed
  }

  end(): void {}
}

type Writer =
  | { readonly _tag: "Loading" }
  | { readonly _tag: "Loaded"; readonly update: ReturnType<typeof createLogUpdate> }
  | { readonly _tag: "Missing"; readonly lines: PlainLines }
  | { readonly _tag: "Ended" }

class RewrittenLine implements StatusLine {
  private writer: Writer = { _tag: "Loading" }
  private written = 0

  constructor() {
    // Loaded when it is needed, because most programs end in time. Its code may be gone by then.
    void import("log-update").then(
      ({ createLogUpdate }) => this.loaded({ _tag: "Loaded", update: createLogUpdate(process.stderr, options) }),
      () => this.loaded({ _tag: "Missing", lines: new PlainLines() })
    )
  }

  show(text: string): void {
    if (this.writer._tag === "Missing") this.writer.lines.show(text)
    if (this.writer._tag !== "Loaded") return
    if (this.written !== bytesWritten()) this.writer.update.done()
    this.writer.update(text)
    this.written = bytesWritten()
  }

  pause(elapsed: number): number {
    return this.writer._tag === "Missing" ? this.writer.lines.pause(elapsed) : 100
  }

  end(): void {
    const { writer } = this
    this.writer = { _tag: "Ended" }
    if (writer._tag === "Loaded" && this.written === bytesWritten()) writer.update.clear()
  }

  private loaded(writer: Writer): void {
    if (this.writer._tag !== "Loading") return
    this.writer = writer
    this.written = bytesWritten()
  }
}

/** A hidden cursor would need listeners for signals of its own. */
const options = { showCursor: true }

/** Everything that the process has written to its terminal. */
const bytesWritten = (): number =>
  [process.stdout, process.stderr].reduce((sum, stream) => sum + (stream.isTTY ? stream.bytesWritten : 0), 0)
