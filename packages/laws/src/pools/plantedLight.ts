/** The planted fault of light pools. Nothing here loads Effect: a pool in a process with Effect is no light one. */
import { LightWorker } from "../../../worker-threads/src/internal/plainTask/host/lightWorker.ts"
import { replace } from "./replacing.ts"

export type LightFault = "starts what was taken back"

export const isLightFault = (fault: string | undefined): fault is LightFault => fault === "starts what was taken back"

type Light = {
  readonly isOpen: boolean
  readonly slots: ReadonlyArray<unknown>
  readonly remove: (call: unknown) => void
}

function hasRoom(this: Light): boolean {
  return this.isOpen && this.slots.length > 0
}

/**
 * Calls of any duration are sent ahead. On a busy machine no call is short enough. There, a call has also waited for
 * long enough to be withdrawn before it is aborted, so with the fault no call waits for too long.
 */
const sendAhead = (): void => {
  const before = Object.getOwnPropertyDescriptor(LightWorker.prototype, "canWait")!
  Object.defineProperty(LightWorker.prototype, "canWait", { ...before, get: hasRoom })
}

/** A withdrawn claim of a call stays, and the worker starts the call. */
const startTaken = (): void =>
  void replace(
    LightWorker.prototype,
    "claim",
    () =>
      function (this: Light, call: unknown) {
        this.remove(call)
        return true
      }
  )

/** Puts the fault into all light pools of the process. */
export const plantLight = (): void => {
  sendAhead()
  replace(LightWorker.prototype, "delay", () => () => 0)
  startTaken()
}
