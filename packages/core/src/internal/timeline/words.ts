/** The words and numbers that text and picture share. */
import type { LeaseResult } from "../leaseAccount.ts"
import type { RecordedLease, RecordedThread, Timeline } from "./model.ts"

/** Control characters, separators of lines and marks that change the direction of text, which would break a line. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ufffe\uffff]/gu

/** A text in one line, without characters that a terminal or XML would take as a command. */
export const printable = (text: string): string =>
  text.toWellFormed().replace(unprintable, (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`)

/** The columns of a sign in a fixed-width font. East Asian signs and emoji take two. */
const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f000}-\u{3fffd}]/u

export const columnsOf = (text: string): number => {
  let columns = 0
  for (const sign of text) columns += wide.test(sign) ? 2 : 1
  return columns
}

/** A printable text of at most so many columns. */
export const fit = (text: string, columns: number): string => {
  const clean = printable(text)
  if (columnsOf(clean) <= columns) return clean
  let kept = ""
  let left = columns - 1
  for (const sign of clean) {
    left -= columnsOf(sign)
    if (left < 0) break
    kept += sign
  }
  return columns < 1 ? "" : `${kept.trimEnd()}…`
}

/** A span of time for a reader, such as `0.31 ms`, `250 ms`, `1.53 s` or `4 min 10 s`. */
export const duration = (millis: number): string => {
  const most = Math.abs(millis)
  if (most === 0) return "0 ms"
  if (most < 9.995) return `${trimmed(millis, 2)} ms`
  if (most < 99.95) return `${trimmed(millis, 1)} ms`
  if (most < 999.5) return `${Math.round(millis)} ms`
  if (most < 59_995) return `${trimmed(millis / 1000, 2)} s`
  const seconds = Math.round(most / 1000)
  const sign = millis < 0 ? "-" : ""
  if (seconds < 3600) return `${sign}${parts(seconds, 60, "min", "s")}`
  return `${sign}${parts(Math.round(seconds / 60), 60, "h", "min")}`
}

const trimmed = (value: number, digits: number): string => String(Number(value.toFixed(digits)))

const parts = (value: number, base: number, large: string, small: string): string => {
  const rest = value % base
  const whole = `${(value - rest) / base} ${large}`
  return rest === 0 ? whole : `${whole} ${rest} ${small}`
}

export const count = (number: number, noun: string): string =>
  `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`

/** The result of a lease, as a reader says it. */
export const results: Readonly<Record<LeaseResult, string>> = {
  released: "released",
  failed: "release failed",
  timedOut: "release given up",
  lost: "lost"
}

/** The end of a thread, as a reader says it. */
export const endings: Readonly<Record<NonNullable<RecordedThread["end"]>, string>> = {
  Succeeded: "succeeded",
  Failed: "failed",
  Interrupted: "interrupted",
  NeverStarted: "never started",
  Killed: "killed",
  Crashed: "crashed",
  Abandoned: "abandoned"
}

/** How long the release of a lease has run; undefined if none has begun. */
export const releaseMillis = (lease: RecordedLease, { until }: Timeline): number | undefined =>
  lease.releasingAt === null ? undefined : Math.max(0, (lease.endedAt ?? until) - lease.releasingAt)

/** The release that took the longest, or that runs the longest. */
export const slowestRelease = (timeline: Timeline): RecordedLease | undefined => {
  let slowest: RecordedLease | undefined
  for (const lease of timeline.leases) {
    const millis = releaseMillis(lease, timeline)
    if (millis === undefined) continue
    if (slowest === undefined || millis > releaseMillis(slowest, timeline)!) slowest = lease
  }
  return slowest
}

/** Names the slowest release in a line; undefined without a release. */
export const slowestLine = (timeline: Timeline, threads: ReadonlyMap<string, RecordedThread>): string | undefined => {
  const lease = slowestRelease(timeline)
  if (lease === undefined) return undefined
  const took = duration(releaseMillis(lease, timeline)!)
  const thread = threads.get(lease.thread)?.name ?? `thread ${lease.thread}`
  const state =
    lease.result === null ? "still running" : lease.result === "released" ? undefined : results[lease.result]
  const where = `Slowest finalizer: "${fit(lease.name, 40)}" of "${fit(thread, 40)}"`
  return `${where}, ${took}${state === undefined ? "" : `, ${state}`}`
}
