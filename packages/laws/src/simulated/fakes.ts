/**
 * The parts of Node that the cluster uses beside Effect, for a simulated cluster: sockets, timers, the monotonic clock and random
 * ids. They are there only while a simulated cluster runs, which is one synchronous call.
 */
import { EventEmitter } from "node:events"
import { syncBuiltinESMExports } from "node:module"
import net from "node:net"

/** The cluster that runs now. */
export interface Fakes {
  readonly connect: (host: string) => Socket
  readonly after: (millis: number, wake: () => void) => () => void
  readonly now: () => number
  readonly uuid: () => string
}

/** The idle connection of a watch to a runner. */
export class Socket extends EventEmitter {
  isDestroyed = false

  destroy(): void {
    this.isDestroyed = true
  }

  // The rest of the interface has no meaning here.
  setTimeout(): void {}
  setKeepAlive(): void {}
  resume(): void {}
  unref(): void {}
}

let current: Fakes | undefined

const real = { connect: net.connect, setTimeout, clearTimeout, now: performance.now.bind(performance) }

/** A timer of a simulated cluster. */
class Timer {
  readonly cancel: () => void

  constructor(cancel: () => void) {
    this.cancel = cancel
  }

  unref(): void {}
}

/** Replaces a function, which is the real one outside a simulated cluster. */
const replace = <A extends object>(target: A, name: keyof A & string, value: unknown): void =>
  void Object.defineProperty(target, name, { value, configurable: true, writable: true })

replace(net, "connect", (...args: ReadonlyArray<unknown>) =>
  current === undefined
    ? Reflect.apply(real.connect, net, args)
    : current.connect((args[0] as { readonly host: string }).host)
)
syncBuiltinESMExports()

/** Runs a part of a scenario. */
export const during = <A>(fakes: Fakes, part: () => A): A => {
  current = fakes
  replace(globalThis, "setTimeout", (wake: () => void, millis: number) => new Timer(fakes.after(millis, wake)))
  replace(globalThis, "clearTimeout", (timer: unknown) =>
    timer instanceof Timer ? timer.cancel() : real.clearTimeout(timer as NodeJS.Timeout)
  )
  replace(performance, "now", () => fakes.now())
  replace(crypto, "randomUUID", () => fakes.uuid())
  try {
    return part()
  } finally {
    current = undefined
    replace(globalThis, "setTimeout", real.setTimeout)
    replace(globalThis, "clearTimeout", real.clearTimeout)
    // The functions of the prototypes are there again.
    Reflect.deleteProperty(performance, "now")
    Reflect.deleteProperty(crypto, "randomUUID")
  }
}
