/**
 * The word of shared memory by which host and worker agree on the running section and on its end by force.
 *
 * The value is a run number, shifted left by two, and a state. A claim is therefore a claim of one run.
 *
 * Transitions of the worker: idle to running, running to idle, running to masked and back, idle to masked and back,
 * claimed to idle. Transitions of the host: running to claimed, and back if the claim has come to nothing.
 */
export type Words = Int32Array<SharedArrayBuffer>

export const idle = 0
export const running = 1
const claimed = 2
export const masked = 3

/** The result of a claim. */
export type Claim =
  | { readonly _tag: "Claimed"; readonly run: number }
  | { readonly _tag: "Idle" }
  | { readonly _tag: "Masked" }

const runBits = 0x3f_ff_ff_ff

export const next = (run: number): number => (run + 1) & runBits

const valueOf = (run: number, state: number): number => (run << 2) | state
const stateOf = (value: number): number => value & 3
const runOf = (value: number): number => value >>> 2

/** The current run and its state. */
export const look = (words: Words, index: number): { readonly run: number; readonly state: number } => {
  const value = Atomics.load(words, index)
  return { run: runOf(value), state: stateOf(value) }
}

/** The host claims the running section, if it is the expected run. */
export const claim = (words: Words, index: number, expected: number | undefined): Claim => {
  for (;;) {
    const value = Atomics.load(words, index)
    const run = runOf(value)
    if (expected !== undefined && run !== expected) return { _tag: "Idle" }
    if (stateOf(value) === masked) return { _tag: "Masked" }
    if (stateOf(value) !== running) return { _tag: "Idle" }
    if (Atomics.compareExchange(words, index, value, valueOf(run, claimed)) === value) return { _tag: "Claimed", run }
  }
}

/** The host takes a claim back, and the section goes on. */
export const unclaim = (words: Words, index: number, run: number): void => {
  Atomics.compareExchange(words, index, valueOf(run, claimed), valueOf(run, running))
  Atomics.notify(words, index)
}

export const at = (words: Words, index: number): Word => new Word(words, index)

/** The worker's side. */
export class Word {
  private readonly words: Words
  private readonly index: number

  constructor(words: Words, index: number) {
    this.words = words
    this.index = index
  }

  /** Whether the calling code runs inside a section. */
  isBusy(): boolean {
    const state = stateOf(Atomics.load(this.words, this.index))
    return state === running || state === masked
  }

  start(run: number): void {
    Atomics.store(this.words, this.index, valueOf(run, running))
  }

  finish(run: number): void {
    this.leaveRunning(run, idle)
  }

  /** Whether the host has claimed the run. */
  isClaimed(run: number): boolean {
    return Atomics.load(this.words, this.index) === valueOf(run, claimed)
  }

  /** Prevents claims from now on. The result of the call allows them again. */
  mask(run: number, busy: boolean): () => void {
    const before = Atomics.load(this.words, this.index)
    if (busy && stateOf(before) === masked) return () => {}
    if (busy) this.leaveRunning(run, masked)
    else Atomics.store(this.words, this.index, valueOf(run, masked))
    return () => Atomics.store(this.words, this.index, valueOf(run, busy ? running : idle))
  }

  /** The claimed run was ended by force. A later run that has the word already is not changed. */
  clear(run: number): void {
    Atomics.compareExchange(this.words, this.index, valueOf(run, claimed), valueOf(run, idle))
  }

  /** Leaves the running state. If the run is claimed, waits until the claim is taken back or the code is ended. */
  private leaveRunning(run: number, state: number): void {
    const from = valueOf(run, running)
    for (;;) {
      const seen = Atomics.compareExchange(this.words, this.index, from, valueOf(run, state))
      if (seen === from) return
      Atomics.wait(this.words, this.index, seen)
    }
  }
}
