/**
 * The harness of a process: counts the steps of a program, asks the host at a cut and when the program can only wait, and
 * exits at its end. Nothing here loads Effect.
 */
import { readSync, writeSync } from "node:fs"
import type { Current, Harness } from "../plain/plainHarness.ts"
import { cell, makeCells, type Cells, type ToHost } from "../workers/messages.ts"
import type { Answer, FromProcess, Question } from "./messages.ts"

/** The number of quiet turns after which no code can run. */
const quietTurns = 3

const input = 0
const output = 1

export class Lockstep implements Harness {
  readonly cells: Cells = makeCells()
  /** The exit code of the process. */
  code = 0
  private current: Current | undefined = undefined
  private steps = 0
  private activity = 0
  private isWatching = false
  /** The requests that have arrived, and those that are on their way. */
  private requests = 0
  private expected = 0

  begin(current: Current): void {
    this.current = current
    this.ask({ _tag: "Began" })
    this.happened()
  }

  /** Only the trace has a message of its own here. */
  post(message: ToHost): void {
    if (message._tag === "Trace") write({ _tag: "Trace", events: message.events })
  }

  step(): boolean {
    this.steps++
    this.happened()
    let isSeen = false
    const { current } = this
    while (current?.cuts[0] !== undefined && current.cuts[0].step <= this.steps) {
      const { index, unseen } = current.cuts.shift()!
      this.ask({ _tag: "Cut", index })
      isSeen ||= !unseen
    }
    return isSeen
  }

  async arrived(): Promise<void> {
    while (this.requests < this.expected) await new Promise((resolve) => setImmediate(resolve))
    this.happened()
  }

  /** A request has arrived, which was made at a time. */
  requested(at: number): void {
    this.requests++
    this.setNow(at)
    this.happened()
  }

  happened(): void {
    this.activity++
    if (this.isWatching) return
    this.isWatching = true
    this.watch(this.activity, 0)
  }

  private watch(seen: number, turns: number): void {
    setImmediate(() => {
      const { activity, current } = this
      if (activity !== seen || turns < quietTurns || this.requests < this.expected) {
        return this.watch(activity, activity === seen ? turns + 1 : 0)
      }
      if (current === undefined) return
      if (current.hasEnded()) this.exit(current)
      const answer = this.ask({ _tag: "Idle", next: current.timers.next ?? null, requests: this.requests })
      if (answer.advance) current.timers.advance()
      return this.watch(++this.activity, 0)
    })
  }

  private exit(current: Current): never {
    this.ask({ _tag: "Finished", steps: this.steps, sleeps: current.timers.pending })
    process.exit(this.code)
  }

  private ask(question: Question): Answer {
    this.current?.flush()
    write(question)
    const answer = read()
    this.expected = answer.requests
    this.setNow(answer.now)
    return answer
  }

  private setNow(now: number): void {
    Atomics.store(this.cells, cell.now, Math.max(now, Atomics.load(this.cells, cell.now)))
  }
}

/** Nothing else touches the standard streams, so that both descriptors block. */
const write = (message: FromProcess): void => {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`)
  for (let at = 0; at < bytes.length;) at += writeSync(output, bytes, at)
}

const read = (): Answer => {
  const buffer = Buffer.alloc(1024)
  let length = 0
  while (length === 0 || buffer[length - 1] !== 0x0a) {
    const count = readSync(input, buffer, length, buffer.length - length, null)
    // The host has gone.
    if (count === 0) process.exit(1)
    length += count
  }
  // The host writes one answer to a question.
  return JSON.parse(buffer.toString("utf8", 0, length)) as Answer
}
