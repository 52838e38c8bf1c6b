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

/** The worker's side. */
export interface Word {
  readonly words: Words
  readonly index: number
}

export const at = (words: Words, index: number): Word => ({ words, index })

/** Whether the calling code runs inside a section. */
export const isBusy = ({ words, index }: Word): boolean => {
  const state = stateOf(Atomics.load(words, index))
  return state === running || state === masked
}

export const start = ({ words, index }: Word, run: number): void => {
  Atomics.store(words, index, valueOf(run, running))
}

export const finish = (self: Word, run: number): void => leaveRunning(self, run, idle)

/** Whether the host has claimed the run. */
export const isClaimed = ({ words, index }: Word, run: number): boolean =>
  Atomics.load(words, index) === valueOf(run, claimed)

/** Prevents claims from now on. The result of the call allows them again. */
export const mask = (self: Word, run: number, busy: boolean): (() => void) => {
  const { index, words } = self
  const before = Atomics.load(words, index)
  if (busy && stateOf(before) === masked) return () => {}
  if (busy) leaveRunning(self, run, masked)
  else Atomics.store(words, index, valueOf(run, masked))
  return () => Atomics.store(words, index, valueOf(run, busy ? running : idle))
}

/** The claimed run was ended by force. A later run that has the word already is not changed. */
export const clear = ({ words, index }: Word, run: number): void => {
  Atomics.compareExchange(words, index, valueOf(run, claimed), valueOf(run, idle))
}

/** Leaves the running state. If the run is claimed, waits until the claim is taken back or the code is ended. */
const leaveRunning = ({ words, index }: Word, run: number, state: number): void => {
  const from = valueOf(run, running)
  for (;;) {
    const seen = Atomics.compareExchange(words, index, from, valueOf(run, state))
    if (seen === from) return
    Atomics.wait(words, index, seen)
  }
}
