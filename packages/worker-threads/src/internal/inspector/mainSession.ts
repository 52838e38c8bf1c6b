/**
 * A session with the inspector of the main thread.
 *
 * A worker has its session in a thread of its own, the relay, which runs no other code. Node calls the listeners of a
 * session in the middle of any code of the session's thread, even at the entry of a function. If the worker's host halted
 * the worker in such a listener, the worker would be blocked for good, or V8 would abort the process. The worker therefore
 * gets the events of its session as messages.
 *
 * Invariants:
 * 1. A relay ends with its session, or with the thread that has started it.
 * 2. Node aborts the whole process if the main thread answers a session while the session's thread is torn down. A relay
 *    therefore ends its session when all its requests are answered and no more events come, and its thread some time later.
 *    The thread that has started the relay waits for that end. If that thread is ended by force, the relay is too, and the
 *    danger remains.
 */
import { isMainThread, Worker } from "node:worker_threads"

export interface Listener {
  readonly notified: (method: string, params: unknown) => void
  /** The session has ended by itself. */
  readonly lost: () => void
}

export interface MainSession {
  readonly post: (method: string, params: Readonly<Record<string, unknown>>, failed?: (why: string) => void) => void
  readonly close: () => void
}

/** Opens a session. Throws if no session is possible. */
export const open = (listener: Listener): MainSession => (isMainThread ? direct(listener) : relayed(listener))

interface Notification {
  readonly method: string
  readonly params: unknown
}

const direct = (listener: Listener): MainSession => {
  // Not imported, because a runtime without an inspector can't load the module.
  const { Session } = process.getBuiltinModule("node:inspector")
  // Not a listener: the session outlives its first user, and a leak check would take the listener for a left-over of the user.
  const session = new (class extends Session {
    override emit(event: string | symbol, ...args: Array<unknown>): boolean {
      if (event !== "inspectorNotification") return false
      // The shape is from the inspector's protocol.
      const { method, params } = args[0] as Notification
      listener.notified(method, params)
      return true
    }
  })()
  session.connect()
  return {
    post: (method, params, failed) =>
      session.post(method, params, (error) => {
        if (error !== null) failed?.(error.message)
      }),
    close: () => session.disconnect()
  }
}

/**
 * The main thread answers the end of a session, too, as soon as it is not in native code. Node reports no event for that
 * answer, so this is a guess. Without the pause, a nested pool that closed aborted the process in one of six runs.
 */
const settlingMillis = 100

/** The program of a relay. It is a text, so that a bundle of the worker needs no further file. */
const relay = `
const { parentPort } = require("node:worker_threads")
const { Session } = require("node:inspector")
const session = new Session()
session.connectToMainThread()
session.on("inspectorNotification", ({ method, params }) => parentPort.postMessage({ method, params }))
const close = () => {
  session.removeAllListeners()
  session.disconnect()
  setTimeout(() => parentPort.close(), ${String(settlingMillis)})
}
parentPort.on("message", (message) => {
  // The main thread answers in the order of the requests.
  if (message === "close") return session.post("NodeWorker.disable", close)
  const { id, method, params } = message
  session.post(method, params, (error) => parentPort.postMessage({ id, why: error === null ? null : error.message }))
})
`

/** A notification, or the answer to a request. */
type FromRelay = Notification | { readonly id: number; readonly why: string | null }

const relayed = (listener: Listener): MainSession => {
  const worker = new Worker(relay, { eval: true, execArgv: [], env: {}, name: "inspector" })
  worker.unref()
  const pending = new Map<number, (why: string) => void>()
  let lastId = 0
  let isClosed = false
  worker.on("message", (message: FromRelay) => {
    if (isClosed) return
    if ("method" in message) return listener.notified(message.method, message.params)
    const failed = pending.get(message.id)
    pending.delete(message.id)
    if (message.why !== null) failed?.(message.why)
  })
  // The exit comes next.
  worker.on("error", () => {})
  worker.on("exit", () => {
    if (!isClosed) listener.lost()
  })
  return {
    post: (method, params, failed) => {
      const id = ++lastId
      if (failed !== undefined) pending.set(id, failed)
      worker.postMessage({ id, method, params })
    },
    close: () => {
      isClosed = true
      worker.ref()
      worker.postMessage("close")
    }
  }
}
