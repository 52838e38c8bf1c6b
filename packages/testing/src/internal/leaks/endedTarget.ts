/** Whether the target of a listener has ended: no event comes any more, so that its listeners are not left over. */
import { ChildProcess } from "node:child_process"
import { Socket } from "node:dgram"
import { Server } from "node:net"
import { BroadcastChannel, MessagePort, Worker } from "node:worker_threads"

export const hasEnded = (target: object): boolean => {
  if (target instanceof ChildProcess) return target.exitCode !== null || target.signalCode !== null
  if (target instanceof Worker) return target.threadId === -1
  if (target instanceof Server) return !target.listening
  if (target instanceof Socket) return isClosed(target)
  // A port does not say that it is closed. An open one is left over as a handle.
  if (target instanceof MessagePort || target instanceof BroadcastChannel) return true
  return Object.entries(ends).some(([property, end]) => Reflect.get(target, property) === end(target))
}

/** The properties of ended targets. A watcher of files tells it only by an internal of Node. */
const ends: Readonly<Record<string, (target: object) => unknown>> = {
  destroyed: () => true,
  closed: () => true,
  fd: () => -1,
  _handle: () => null,
  // A WebSocket and an EventSource have the constant themselves.
  readyState: (target) => Reflect.get(target, "CLOSED") ?? none
}

const none = Symbol("none")

const isClosed = (socket: Socket): boolean => {
  try {
    socket.getSendQueueSize()
    return false
  } catch {
    return true
  }
}
