/**
 * Waits until the standard streams of the process have been written whole.
 *
 * `process.exit` drops everything that a pipe has not taken yet. The output of a worker comes to the streams of the process
 * a few turns after the worker has written it, also if the worker has ended.
 */
import type { Writable } from "node:stream"

/** The turns in which output of ended workers may still arrive. */
const turns = 10

/** Waits at most for `millis`. False if some output may be lost. */
export const writeOut = async (millis: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), millis)
  })
  try {
    return await Promise.race([late, written()])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits without a limit. */
export const written = async (): Promise<true> => {
  for (let quiet = 0; quiet < turns; quiet++) {
    await new Promise((resolve) => setImmediate(resolve))
    for (const stream of [process.stdout, process.stderr]) {
      if (!isPending(stream)) continue
      // Code that was cancelled between a cork and its uncork holds the output back.
      while (stream.writableCorked > 0) stream.uncork()
      await drained(stream)
      quiet = 0
    }
  }
  return true
}

const isPending = (stream: Writable): boolean => stream.writableLength > 0 && !isOver(stream)

const isOver = (stream: Writable): boolean => stream.destroyed || stream.writableFinished || stream.errored !== null

/** Waits for the writes so far, or for the end of the stream: a reader may go away. */
const drained = (stream: Writable): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      stream.off("close", done)
      resolve()
    }
    stream.once("close", done)
    if (stream.writableEnded) stream.once("finish", done)
    else stream.write("", done)
  })
