/** A child process that the host keeps, as far as host and worker must agree on it. Nothing here loads Effect. */
import { constants } from "node:os"

/** How a child process has ended: by itself with a code, or by a signal. */
export type ProcessExit =
  | { readonly _tag: "Exited"; readonly code: number }
  | { readonly _tag: "Signaled"; readonly signal: string }

/**
 * A child process in shared memory, which crosses any number of threads. The first element is 0 while the process runs,
 * and the second is its code or the number of its signal.
 */
export type ProcessState = Int32Array<SharedArrayBuffer>

const kinds = { running: 0, exited: 1, signaled: 2 } as const

export const makeProcessState = (): ProcessState => new Int32Array(new SharedArrayBuffer(8))

export const isProcessState = (u: unknown): u is ProcessState =>
  u instanceof Int32Array && u.length === 2 && u.buffer instanceof SharedArrayBuffer

/** The host has noticed the exit. Called once. */
export const processExited = (state: ProcessState, code: number | null, signal: NodeJS.Signals | null): void => {
  state[1] = signal === null ? (code ?? -1) : constants.signals[signal]
  Atomics.store(state, 0, signal === null ? kinds.exited : kinds.signaled)
  Atomics.notify(state, 0)
}

/** Completes when the process has exited. */
export const whenExited = async (state: ProcessState): Promise<ProcessExit> => {
  for (;;) {
    const kind = Atomics.load(state, 0)
    if (kind !== kinds.running) return exitOf(kind, state[1]!)
    const waiting = Atomics.waitAsync(state, 0, kinds.running)
    if (waiting.async) await waiting.value
  }
}

const exitOf = (kind: number, detail: number): ProcessExit => {
  if (kind === kinds.exited) return { _tag: "Exited", code: detail }
  const [name] = Object.entries(constants.signals).find(([, number]) => number === detail) ?? [`signal ${detail}`]
  return { _tag: "Signaled", signal: name }
}
