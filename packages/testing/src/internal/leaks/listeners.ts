/**
 * Listeners on AbortSignals and other EventTargets. Node itself says whether a listener is still there, so each way to go
 * counts: the listener was removed, was added for `once`, or its own signal has aborted.
 *
 * Invariant: this module keeps neither a signal nor a listener alive. A garbage listener is not left over.
 */
import { ChildProcess } from "node:child_process"
import { getEventListeners } from "node:events"
import { ReadStream, WriteStream } from "node:fs"
import { Worker } from "node:worker_threads"
import type { Kind } from "../../LeftOver.ts"
import { handleOf, hasEnded } from "./endedTarget.ts"
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

/** A function of Node that adds the listener of its caller, such as `on` of a stream, which overrides that of EventEmitter. */
const forwards =
  /[ (]node:events:|[ .](?:\[as )?(?:on|once|addListener|addEventListener|prependListener|prependOnceListener)\]? \(node:|^\s*at new Promise \(<anonymous>\)/

/** Whether Node adds a listener for itself. `stack` begins in the patched method. */
export const isAddedByNode = (stack: string | undefined): boolean => {
  const caller = stack
    ?.split("\n")
    .slice(2)
    .find((frame) => !forwards.test(frame))
  return caller?.includes("node:") === true
}

const count = (signal: EventTarget, type: string, listener: object): number =>
  getEventListeners(signal, type).filter((other) => other === listener).length

const add: Add = function (this: EventTarget, ...args) {
  const [type, listener] = args
  const { add } = original!
  if (isSetting || listener === null) return add.apply(this, args)
  const isSignal = this instanceof AbortSignal
  if (!isSignal && (!recordsPlaces() || isAddedByNode(new Error().stack))) return add.apply(this, args)
  const before = count(this, type, listener)
  add.apply(this, args)
  // A listener is not added twice, and not at all if its own signal has aborted.
  if (count(this, type, listener) <= before) return
  const isOn = (target: EventTarget, listener: object) => count(target, type, listener) > 0
  track({ target: this, type, listener, isOn, on: isSignal ? "an AbortSignal" : "an EventTarget" })
}

// The accessors of `onabort` are Node's, so their types are known.
const handlerOf = function (this: AbortSignal): Handler {
  return original!.onabort.get!.call(this) as Handler
}

const isHandler = (signal: AbortSignal, handler: object): boolean => signal.onabort === handler

const setHandler = function (this: AbortSignal, handler: Handler): void {
  isSetting = true
  try {
    original!.onabort.set!.call(this, handler)
  } finally {
    isSetting = false
  }
  if (handler !== null && this.onabort === handler) {
    track({ target: this, type: "abort", listener: handler, isOn: isHandler, on: "an AbortSignal" })
  }
}

interface Added<T extends object, L extends object> {
  readonly target: T
  readonly type: string
  readonly listener: L
  readonly isOn: (target: T, listener: L) => boolean
  readonly on: "an AbortSignal" | "an EventTarget" | "an EventEmitter"
}

/** Reports a listener that was added. */
export const track = <T extends object, L extends object>({ target, type, listener, isOn, on }: Added<T, L>): void => {
  const weakTarget = new WeakRef(target)
  const weakListener = new WeakRef(listener)
  const name = nameOf(listener)
  // The frames are read at once, because a stack keeps alive all that its functions see.
  const origin = recordsPlaces() ? new Origin(running()) : undefined
  const isRunners = origin?.isRunners === true
  const frames = origin?.frames ?? []
  const whole = wholeOf(target, type)
  const resource: TrackedResource = {
    kind: "listener",
    isOnSignal: on === "an AbortSignal",
    isThere: () => {
      const target = weakTarget.deref()
      const listener = weakListener.deref()
      if (isRunners || target === undefined || listener === undefined) return false
      return isOn(target, listener) && !hasEnded(target)
    },
    what: () => {
      const target = weakTarget.deref()
      const hasAborted = target instanceof AbortSignal && target.aborted
      return `${name} for "${type}" on ${on}${hasAborted ? " that has aborted" : ""}`
    },
    partOf: () => whole,
    handle: () => handleOf(weakTarget.deref()),
    unref: () => false,
    madeAt: () => frames
  }
  report(resource)
}

/** The kind of the resource that a listener is left over with. Node makes one handle for all listeners of an OS signal. */
const wholeOf = (target: object, type: string): Kind | undefined => {
  if (target instanceof Worker) return "worker"
  if (target instanceof ChildProcess) return "process"
  if (target instanceof ReadStream || target instanceof WriteStream) return "descriptor"
  return target === process && type.startsWith("SIG") ? "handle" : undefined
}

/** The wrapper of a listener that listens once refers to the listener. */
const nameOf = (added: object): string => {
  const listener = "listener" in added ? added.listener : added
  return typeof listener === "function" && listener.name !== "" ? `"${listener.name}"` : "a listener"
}

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
