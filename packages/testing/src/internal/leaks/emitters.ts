/**
 * Listeners on EventEmitters. Node's own listeners are left out, because Node adds them to the resources that it makes, and
 * those are reported.
 */
import { EventEmitter } from "node:events"
import { isAddedByNode, track } from "./listeners.ts"

type Add = typeof EventEmitter.prototype.addListener
type Name = Parameters<Add>[0]
type Listener = Parameters<Add>[1]

interface Originals {
  readonly on: Add
  readonly addListener: Add
  readonly prependListener: Add
}

/** Kept after `uninstall`, because code that has wrapped a patched method goes on to call the patch. */
let original: Originals | undefined

const count = (emitter: EventEmitter, name: Name, listener: Listener): number =>
  emitter.rawListeners(name).filter((other) => other === listener).length

const patch = (method: keyof Originals): Add =>
  function (this: EventEmitter, name, listener) {
    const result = original![method].call(this, name, listener)
    if (isAddedByNode(new Error().stack)) return result
    // The same listener may be added more than once.
    const nth = count(this, name, listener)
    track({
      target: this,
      type: String(name),
      listener,
      isOn: (emitter, listener) => count(emitter, name, listener) >= nth,
      on: "an EventEmitter"
    })
    return result
  }

const patches: Originals = {
  on: patch("on"),
  addListener: patch("addListener"),
  prependListener: patch("prependListener")
}

const methods: ReadonlyArray<keyof Originals> = ["on", "addListener", "prependListener"]

export const install = (): void => {
  // Called with `this` above.
  // oxlint-disable-next-line typescript/unbound-method
  const { addListener, on, prependListener } = EventEmitter.prototype
  original = { addListener, on, prependListener }
  Object.assign(EventEmitter.prototype, patches)
}

export const uninstall = (): void => {
  for (const method of methods) {
    if (EventEmitter.prototype[method] === patches[method]) EventEmitter.prototype[method] = original![method]
  }
}
