/** Listens for signals of the process. */
import { numberOf, type Signal } from "./signalName.ts"

/** Calls `received` at each signal. Signals that the platform lacks are left out. The result removes the listeners. */
export const listen = (signals: ReadonlyArray<Signal>, received: (signal: Signal) => void): (() => void) => {
  const listeners = signals
    .filter((signal) => numberOf(signal) !== undefined)
    .map((signal) => ({ event: signal, listener: () => received(signal) }))
  for (const { event, listener } of listeners) process.on(event, listener)
  return () => {
    for (const { event, listener } of listeners) process.off(event, listener)
  }
}

/**
 * Does the same as `listen`, and gives the signals back their default actions while the process exits. The exit waits for
 * each worker, also for a worker in native code, and no listener runs meanwhile.
 */
export const listenUntilExit = (signals: ReadonlyArray<Signal>, received: (signal: Signal) => void): (() => void) => {
  const unlisten = listen(signals, received)
  const exiting = (): void => {
    for (const signal of signals) process.removeAllListeners(signal)
  }
  process.once("exit", exiting)
  return () => {
    process.off("exit", exiting)
    unlisten()
  }
}
