/** Waits in real time under any clock of the fibers, because other processes know no virtual time. */
import { setTimeout } from "node:timers/promises"

/** Resolves after `millis`, or when the signal aborts. */
export const pause = async (millis: number, signal?: AbortSignal): Promise<void> => {
  await setTimeout(millis, undefined, signal === undefined ? {} : { signal }).catch(() => {})
}

/** Waits for a promise that does not reject, with a limit. */
export const within = async (promise: Promise<unknown>, millis: number, signal?: AbortSignal): Promise<void> => {
  const limit = new AbortController()
  const signals = signal === undefined ? limit.signal : AbortSignal.any([limit.signal, signal])
  await Promise.race([promise, pause(millis, signals)])
  limit.abort()
}
