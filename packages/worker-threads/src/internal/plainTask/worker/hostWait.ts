/**
 * Waits in the worker of plain functions for the next call, right after a call has ended. The thread blocks in shared
 * memory, where the host wakes it faster than through an event loop.
 *
 * The event loop stands still meanwhile. Therefore the thread blocks only while nothing keeps the event loop alive but the
 * port of the host: the thread does not block while the function's module has a timer, a socket, a request or unwritten
 * output. It blocks for a few milliseconds after a call, and then sleeps in its event loop.
 *
 * First the thread spins, because waking a sleeping thread takes up to 0.1 ms where the other core is idle. Spinning that
 * was in vain is left out for a while, the longer the more often. It was also in vain if the thread lost its core meanwhile:
 * beside other busy processes, a spinning thread takes the core that the host needs.
 */
import { availableParallelism } from "node:os"
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads"
import { wakeUp } from "../../wire/handshake.ts"
import type { RingReader } from "../../wire/ring.ts"

/** How long the thread spins, in milliseconds: longer than a sleeping host needs to wake up and to make its next call. */
const spinMillis = 0.2

/** How long the thread blocks, in milliseconds. */
const blockMillis = 5

/** For how many waits spinning is left out after it was in vain. */
const shortestPause = 15
const longestPause = 1000

/** On a single core, spinning would hold up the host. */
const hasOneCore = availableParallelism() === 1

/** The port of the host. */
const ownResources = 1

export class HostWait {
  readonly #ring: RingReader
  readonly #port: MessagePort
  #pause = shortestPause
  /** The waits that are left without spinning. */
  #passes = 0
  #received: unknown = wakeUp

  constructor(ring: RingReader, port: MessagePort) {
    this.#ring = ring
    this.#port = port
  }

  /**
   * Blocks until the host calls or sends a message, at most for some time. Returns the message, or a wake-up without one. Calls
   * in the ring have to be read afterwards.
   */
  next(): unknown {
    if (process.getActiveResourcesInfo().length > ownResources) return wakeUp
    this.#received = wakeUp
    const spins = !hasOneCore && this.#passes-- <= 0
    const wasFast = this.#ring.block(spins ? spinMillis : 0, blockMillis, this.#receive)
    if (spins) this.#spun(wasFast)
    if (this.#received === wakeUp) this.#receive()
    return this.#received
  }

  #spun(paidOff: boolean): void {
    this.#passes = paidOff ? 0 : this.#pause
    this.#pause = paidOff ? Math.max(shortestPause, this.#pause / 2) : Math.min(longestPause, this.#pause * 2)
  }

  readonly #receive = (): boolean => {
    const received = receiveMessageOnPort(this.#port)
    if (received !== undefined) this.#received = received.message
    return received !== undefined
  }
}
