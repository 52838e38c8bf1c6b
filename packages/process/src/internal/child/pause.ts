/** Waits in real time under any clock of the fibers, because other processes know no virtual time. */
import { setTimeout } from "node:timers/promises"

/** A timer of Node with a longer time would end at once, in milliseconds. */
const longest = 2 ** 31 - 1

/** Resolves after `millis`, which may be Infinity, or when the signal aborts. */
export const pause = async (millis: number, signal?: AbortSignal): Promise<void> => {
  await setTimeout(Math.min(millis, longest), undefined, signal === undefined ? {} : { signal }).catch(() => {})
  if (millis > longest && signal?.aborted !== true) await pause(millis - longest, signal)
}

/** Waits for a promise that does not reject, with a limit. */
export const within = async (promise: Promise<unknown>, millis: number, signal?: AbortSignal): Promise<void> => {
  const limit = new AbortController()
  const signals = signal === undefined ? limit.signal : AbortSignal.any([limit.signal, signal])
  await Promise.race([promise, pause(millis, signals)])
  limit.abort()
}
