/**
 * Listeners on AbortSignals. Node itself says whether a listener is still there, so each way to go counts: the listener
 * was removed, was added for `once`, or its own signal has aborted.
 *
 * Invariant: this module keeps neither a signal nor a listener alive. A garbage listener is not left over.
 */
import { getEventListeners } from "node:events"
import { Origin } from "./origin.ts"
import { running } from "./resources.ts"
import { recordsPlaces, report, type TrackedResource } from "./tracker.ts"

type Add = typeof EventTarget.prototype.addEventListener
type Handler = AbortSignal["onabort"]

interface Originals {
  readonly add: Add
  readonly onabort: PropertyDescriptor
}

/** Kept after `uninstall`, because code that has wrapped the patched method goes on to call the patch. */
let original: Originals | undefined
/** Node adds one listener a signal for `onabort`, and that listener stays without a handler. */
let isSetting = false

const count = (signal: AbortSignal, type: string, listener: object): number =>
  getEventListeners(signal, type).filter((other) => other === listener).length

const add: Add = function (this: EventTarget, ...args) {
  const [type, listener] = args
  const { add } = original!
  if (!(this instanceof AbortSignal) || isSetting || listener === null) return add.apply(this, args)
  const before = count(this, type, listener)
  add.apply(this, args)
  // A listener is not added twice, and not at all if its own signal has aborted.
  if (count(this, type, listener) <= before) return
  track(this, type, listener, (signal, listener) => count(signal, type, listener) > 0)
}

// The accessors of `onabort` are Node's, so their types are known.
const handlerOf = function (this: AbortSignal): Handler {
  return original!.onabort.get!.call(this) as Handler
}

const setHandler = function (this: AbortSignal, handler: Handler): void {
  isSetting = true
  try {
    original!.onabort.set!.call(this, handler)
  } finally {
    isSetting = false
  }
  if (handler !== null && this.onabort === handler) {
    track(this, "abort", handler, (signal, handler) => signal.onabort === handler)
  }
}

const track = <L extends object>(
  signal: AbortSignal,
  type: string,
  listener: L,
  isOn: (signal: AbortSignal, listener: L) => boolean
): void => {
  const weakSignal = new WeakRef(signal)
  const weakListener = new WeakRef(listener)
  const name = nameOf(listener)
  // The frames are read at once, because a stack keeps alive all that its functions see.
  const frames = recordsPlaces() ? new Origin(running()).frames : []
  const resource: TrackedResource = {
    kind: "listener",
    isThere: () => {
      const signal = weakSignal.deref()
      const listener = weakListener.deref()
      return signal !== undefined && listener !== undefined && isOn(signal, listener)
    },
    what: () => {
      const hasAborted = weakSignal.deref()?.aborted === true
      return `${name} for "${type}" on an AbortSignal${hasAborted ? " that has aborted" : ""}`
    },
    unref: () => false,
    madeAt: () => frames
  }
  report(resource)
}

const nameOf = (listener: object): string =>
  typeof listener === "function" && listener.name !== "" ? `"${listener.name}"` : "a listener"

const onabort = (): PropertyDescriptor => Object.getOwnPropertyDescriptor(AbortSignal.prototype, "onabort")!

export const install = (): void => {
  // Called with `this` above.
  // oxlint-disable-next-line typescript/unbound-method
  original = { add: EventTarget.prototype.addEventListener, onabort: onabort() }
  EventTarget.prototype.addEventListener = add
  Object.defineProperty(AbortSignal.prototype, "onabort", { ...onabort(), get: handlerOf, set: setHandler })
}

export const uninstall = (): void => {
  if (EventTarget.prototype.addEventListener === add) EventTarget.prototype.addEventListener = original!.add
  if (onabort().set === setHandler) Object.defineProperty(AbortSignal.prototype, "onabort", original!.onabort)
}
