/**
 * An output of a process: holds the bytes between the pipe and the reader.
 *
 * While the process runs, a reader that does not read holds the process up, as with a pipe. When the process has ended,
 * the rest of the pipe is taken in without a reader, so that the end need not wait for one.
 *
 * Invariants:
 * 1. `chunks` holds at most `limit` bytes and one chunk.
 * 2. The state moves from Open to Ended, and is Ended from the first end on.
 * 3. Bytes that were taken in before the end are read before it.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type * as ProcessError from "../../ProcessError.ts"

/** The bytes that are held for a reader, while the process runs and afterwards. */
const runningLimit = 64 * 1024
const endedLimit = 4 * 1024 * 1024

type Chunk = [Uint8Array, ...Array<Uint8Array>]

type End = Exit.Exit<never, ProcessError.ProcessError | Cause.Done>

type State = { readonly _tag: "Open" } | { readonly _tag: "Ended"; readonly end: End }

export class Output {
  readonly name: string
  /** The bytes for one reader. Two readers share the bytes. */
  readonly stream: Stream.Stream<Uint8Array, ProcessError.ProcessError>
  /** Resolves at the end. */
  readonly ended: Promise<void>
  private readonly endedNow: () => void
  private state: State = { _tag: "Open" }
  private chunks: Array<Uint8Array> = []
  private bytes = 0
  private limit = runningLimit
  private readonly readers: Set<() => void> = new Set()
  private readonly writers: Set<() => void> = new Set()

  constructor(name: string) {
    this.name = name
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.endedNow = resolve
    this.stream = Stream.fromPull(Effect.succeed(Effect.suspend(() => this.read())))
  }

  get hasEnded(): boolean {
    return this.state._tag === "Ended"
  }

  /** Takes bytes in, and waits while the limit is reached. */
  write(chunks: ReadonlyArray<Uint8Array>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.hasEnded) return Effect.void
      for (const chunk of chunks) {
        this.chunks.push(chunk)
        this.bytes += chunk.length
      }
      wakeAll(this.readers)
      return this.isFull ? this.room : Effect.void
    })
  }

  /** The process has ended: the rest of the pipe is read without a reader. */
  lift(): void {
    this.limit = endedLimit
    if (!this.isFull) wakeAll(this.writers)
  }

  /** Ends the stream after the bytes so far. The first end counts. */
  end(error?: ProcessError.ProcessError): void {
    if (this.state._tag === "Ended") return
    this.state = { _tag: "Ended", end: error === undefined ? Exit.fail(Cause.Done()) : Exit.fail(error) }
    this.endedNow()
    wakeAll(this.readers)
    wakeAll(this.writers)
  }

  private get isFull(): boolean {
    return this.state._tag === "Open" && this.bytes >= this.limit
  }

  private get room(): Effect.Effect<void> {
    return waiting(this.writers, () => !this.isFull)
  }

  private read(): Effect.Effect<Chunk, ProcessError.ProcessError | Cause.Done> {
    const [first, ...rest] = this.chunks
    if (first !== undefined) {
      this.chunks = []
      this.bytes = 0
      wakeAll(this.writers)
      return Effect.succeed([first, ...rest])
    }
    if (this.state._tag === "Ended") return this.state.end
    return Effect.flatMap(
      waiting(this.readers, () => this.chunks.length > 0 || this.hasEnded),
      () => this.read()
    )
  }
}

const wakeAll = (waiters: Set<() => void>): void => {
  for (const wake of Array.from(waiters)) wake()
}

/** Waits until the condition holds. *Cancellation*: the waiter leaves. */
const waiting = (waiters: Set<() => void>, isReady: () => boolean): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const look = (): void => {
      if (!isReady()) return
      waiters.delete(look)
      resume(Effect.void)
    }
    waiters.add(look)
    look()
    return Effect.sync(() => waiters.delete(look))
  })
