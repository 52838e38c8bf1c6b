/**
 * The virtual time of one run, in a file, so that all processes of the run read the same time at once. A message could
 * arrive after the message that it has to precede.
 */
import { openSync, readSync, writeSync } from "node:fs"
import type * as VirtualClock from "@quiesce/testing/VirtualClock"

export class SharedTime implements VirtualClock.Hand {
  private readonly file: number
  private readonly cell = new Float64Array(1)

  /** The file is made by the host. */
  constructor(path: string, how: "host" | "runner") {
    this.file = openSync(path, how === "host" ? "w+" : "r+")
  }

  get now(): number {
    readSync(this.file, this.cell, 0, 8, 0)
    return this.cell[0]!
  }

  set now(now: number) {
    this.cell[0] = now
    writeSync(this.file, this.cell, 0, 8, 0)
  }
}

let last = 0

/** Orders the events of the processes of one machine by the machine's monotonic clock. No two events have one number. */
export const sequence = (): number => (last = Math.max(last + 1, Number(process.hrtime.bigint())))
