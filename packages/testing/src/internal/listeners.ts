/**
 * The listeners on AbortSignals. Whether one is still there Node itself says, so that each way in which it may have gone
 * counts: it was removed, it was for `once`, its own signal has aborted.
 *
 * Invariant: neither a signal nor a listener is kept alive from here. What is garbage is not left over.
 */
import { getEventListeners } from "node:events"
import { type Made, tell } from "./made.ts"
import { Origin } from "./origin.ts"
import { running } from "./resources.ts"

type Add = typeof EventTarget.prototype.addEventListener
type Handler = AbortSignal["onabort"]

interface Originals {
  readonly add: Add
  readonly onabort: PropertyDescriptor
}

/** Kept after the end, as those who have put something over what is patched go on to call it. */
let original: Originals | undefined
/** Node adds a listener for `onabort`, once for a signal, which stays when the handler has gone. */
let isSetting = false

const count = (signal: AbortSignal, type: string, listener: object): number =>
  getEventListeners(signal, type).filter((other) => other === listener).length

const add: Add = function (this: EventTarget, ...args) {
  const [type, listener] = args
  const { add } = original!
  if (!(this instanceof AbortSignal) || isSetting || listener === null) return add.apply(this, args)
  const before = count(this, type, listener)
  add.apply(this, args)
  // What was there already is not there twice, and what its own signal forbids is not there at all.
  if (count(this, type, listener) <= before) return
  note(this, type, listener, (signal, listener) => count(signal, type, listener) > 0)
}

// What the accessors of `onabort` are is known: Node's.
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
    note(this, "abort", handler, (signal, handler) => signal.onabort === handler)
  }
}

const note = <L extends object>(
  signal: AbortSignal,
  type: string,
  listener: L,
  isOn: (signal: AbortSignal, listener: L) => boolean
): void => {
  const weakSignal = new WeakRef(signal)
  const weakListener = new WeakRef(listener)
  const name = nameOf(listener)
  // Asked for at once, as the stack would keep alive what its functions see.
  const { frames } = new Origin(running())
  const made: Made = {
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
  tell(made)
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
