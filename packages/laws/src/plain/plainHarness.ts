/**
 * Makes the runs of a plain function repeatable: counts steps, holds the function at a step until the host has made its
 * requests, and reports to the host when the function can only wait. Nothing here loads Effect.
 *
 * Invariants:
 * 1. One run is under way at a time, from `begin` to the answer to `Finish`.
 * 2. `Idle` is sent only after a few quiet turns of the event loop, so that all messages have arrived.
 */
import type { MessagePort } from "node:worker_threads"
import { cell, type Cells, type ToHost, type ToWorker } from "../workers/messages.ts"
import type { Timers } from "./timers.ts"

/** The current run, as far as the harness needs it. */
export interface Current {
  readonly run: number
  /** The steps at which the plan continues, in order, with the indices of their actions. */
  readonly cuts: Array<{ readonly step: number; readonly index: number; readonly unseen: boolean }>
  readonly timers: Timers
  readonly hasEnded: () => boolean
  /** Posts the recorded events. */
  readonly flush: () => void
  /** Reports the left-overs. */
  readonly finish: (steps: number) => void
}

/** The number of quiet turns after which no message is under way. */
const quietTurns = 3

/** The part of a harness that a run uses. */
export interface Harness {
  readonly cells: Cells
  readonly begin: (current: Current) => void
  readonly post: (message: ToHost) => void
  /** Counts a step. Returns whether the host has made requests whose messages the function should await. */
  readonly step: () => boolean
  /** Completes when the messages of earlier requests have arrived. */
  readonly arrived: () => Promise<void>
  /** Records activity. */
  readonly happened: () => void
}

export class PlainHarness implements Harness {
  readonly cells: Cells
  private readonly port: MessagePort
  private current: Current | undefined = undefined
  private steps = 0
  /** Counts all activity. */
  private activity = 0
  private reported = -1
  private isWatching = false

  constructor(port: MessagePort, cells: Cells) {
    this.port = port
    this.cells = cells
    port.on("message", (message: ToWorker) => this.take(message))
    // The pool's port alone keeps the worker alive.
    port.unref()
  }

  begin(current: Current): void {
    this.current = current
    this.steps = 0
    this.reported = -1
    this.post({ _tag: "Began", run: current.run })
    this.happened()
  }

  post(message: ToHost): void {
    this.port.postMessage(message)
  }

  /** Counts a step. Returns whether the host has made requests whose messages the function should await. */
  step(): boolean {
    const { current } = this
    if (current === undefined) return false
    this.happened()
    this.steps++
    let isSeen = false
    while (current.cuts[0] !== undefined && current.cuts[0].step <= this.steps) {
      const { index, unseen } = current.cuts.shift()!
      this.ask(current, index)
      isSeen ||= !unseen
    }
    return isSeen
  }

  /** Completes when the messages of earlier requests have arrived. */
  async arrived(): Promise<void> {
    for (let turn = 0; turn < quietTurns; turn++) await new Promise((resolve) => setImmediate(resolve))
    this.happened()
  }

  /** Records activity. The host gets `Idle` after the next quiet turns. */
  happened(): void {
    this.activity++
    if (this.isWatching || this.current === undefined) return
    this.isWatching = true
    this.watch(this.activity, 0)
  }

  /** Stops the thread until the host has made its requests. */
  private ask(current: Current, index: number): void {
    current.flush()
    Atomics.store(this.cells, cell.waiting, 1)
    this.post({ _tag: "Cut", run: current.run, index })
    Atomics.wait(this.cells, cell.waiting, 1)
  }

  private watch(seen: number, turns: number): void {
    setImmediate(() => {
      const { activity, current } = this
      if (current === undefined) {
        this.isWatching = false
        return
      }
      if (activity !== seen) return this.watch(activity, 0)
      if (turns < quietTurns) return this.watch(seen, turns + 1)
      // The rest of the plan comes late.
      const late = current.hasEnded() ? current.cuts.shift() : undefined
      if (late !== undefined) {
        this.ask(current, late.index)
        return this.watch(++this.activity, 0)
      }
      this.isWatching = false
      if (this.reported === seen) return
      this.reported = seen
      current.flush()
      const next = current.timers.next ?? null
      this.post({ _tag: "Idle", run: current.run, activity: seen, next, ended: current.hasEnded() })
    })
  }

  private take(message: ToWorker): void {
    const { current } = this
    if (current === undefined || message.run !== current.run) return
    switch (message._tag) {
      case "Look":
        return this.happened()
      case "Advance":
        if (message.activity === this.activity) current.timers.advance()
        return this.happened()
      case "Finish":
        this.current = undefined
        return current.finish(this.steps)
    }
  }
}
