/**
 * The line of a runner process to the host of a run, beside the cluster: one line of JSON for each message, by the standard
 * streams. The runner waits for the answer to a question by a read that blocks.
 */
import { readSync, writeSync } from "node:fs"
import type { Bytes, ToHost, ToWorker } from "../workers/messages.ts"

/** The bytes that the host has written before the answer. */
export type Answer = (ToWorker | { readonly run: number; readonly _tag: "Resume" }) & { readonly bytes: Bytes }

const input = 0
const output = 1

/** Nothing else touches the standard streams, so that both descriptors block. */
export const write = (message: ToHost): void => {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`)
  for (let at = 0; at < bytes.length;) at += writeSync(output, bytes, at)
}

/** The answer to the last question. The host writes one answer to a question. */
export const read = (): Answer => {
  const parts: Array<Buffer> = []
  for (let isWhole = false; !isWhole;) {
    const part = Buffer.alloc(4096)
    const count = readSync(input, part, 0, part.length, null)
    // The host has gone.
    if (count === 0) process.exit(1)
    parts.push(part.subarray(0, count))
    isWhole = part[count - 1] === 0x0a
  }
  return JSON.parse(Buffer.concat(parts).toString()) as Answer
}
