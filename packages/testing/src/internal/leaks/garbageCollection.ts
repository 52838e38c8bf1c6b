/** Makes the engine collect garbage now. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

let found: (() => void) | undefined

/** The engine exposes `gc` only to contexts made after the flag was set, so the globals of this context stay as they are. */
const find = (): (() => void) => {
  if (typeof globalThis.gc === "function") return globalThis.gc
  setFlagsFromString("--expose-gc")
  const gc: unknown = runInNewContext("gc")
  // The engine's own function.
  return typeof gc === "function" ? (gc as () => void) : () => {}
}

export const collect = (): void => {
  found ??= find()
  found()
}
