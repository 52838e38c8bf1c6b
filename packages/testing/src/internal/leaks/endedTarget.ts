/**
 * Whether the target of a listener has ended: no event comes any more, so that its listeners are not left over.
 *
 * The properties that say so are believed only of Node's own classes. An emitter of the user may have the same property with
 * another meaning.
 */
import { ChildProcess } from "node:child_process"
import { Socket } from "node:dgram"
import { EventEmitter } from "node:events"
import { Server } from "node:net"
import { Interface } from "node:readline"
import { Stream } from "node:stream"
import { BroadcastChannel, MessagePort, Worker } from "node:worker_threads"
import { readOr } from "@quiesce/core/internal"

export const hasEnded = (target: object): boolean => {
  if (target instanceof ChildProcess) return target.exitCode !== null || target.signalCode !== null
  if (target instanceof Worker) return target.threadId === -1
  if (target instanceof Server) return !target.listening && hasListened(target)
  if (target instanceof Socket) return isClosed(target)
  if (target instanceof MessagePort) return !isOpen(target)
  if (target instanceof BroadcastChannel) return handleOf(target) === undefined
  if (isStream(target)) return read(target, "destroyed") === true || read(target, "closed") === true
  if (target instanceof Interface) return read(target, "closed") === true
  const unexported = target instanceof EventEmitter ? ends.get(classNameOf(target)) : undefined
  if (unexported !== undefined) return unexported(target)
  // A WebSocket and an EventSource have the constant themselves.
  const closed = read(target, "CLOSED")
  return closed !== undefined && read(target, "readyState") === closed
}

/**
 * The handle behind the target of a listener, if any: the same object that async hooks report. A message of HTTP has the
 * handle of its socket, and a TLS socket that of the socket below.
 */
export const handleOf = (target: object | undefined): unknown => {
  if (target === undefined || target instanceof MessagePort) return target
  if (target instanceof BroadcastChannel) return internal(target, "kHandle")
  const handle = read(target, "_handle") ?? read(read(target, "socket"), "_handle")
  return read(handle, "_parent") ?? handle
}

/** A getter of the user's target may throw. */
const read = (from: unknown, property: string): unknown =>
  readOr(() => (typeof from === "object" && from !== null ? Reflect.get(from, property) : undefined), undefined)

/** Reads an internal of Node, whose symbol only the description names. */
const internal = (from: object, description: string): unknown => {
  const symbol = Object.getOwnPropertySymbols(from).find((symbol) => symbol.description === description)
  return symbol === undefined ? undefined : Reflect.get(from, symbol)
}

/** Streams of Node, and copies of them in a package, which have the same state. */
const isStream = (target: object): boolean =>
  target instanceof Stream || "_readableState" in target || "_writableState" in target

const classNameOf = (target: object): string => {
  const constructor: unknown = readOr(() => target.constructor, undefined)
  return typeof constructor === "function" ? constructor.name : ""
}

const isDestroyed = (target: object): boolean => read(target, "destroyed") === true

/** Node's classes that no module exports, by name. */
const ends: ReadonlyMap<string, (target: object) => boolean> = new Map([
  ["FileHandle", (target: object) => read(target, "fd") === -1],
  ["FSWatcher", (target: object) => read(target, "_handle") === null],
  ["StatWatcher", (target: object) => read(target, "_handle") === null],
  ["ClientHttp2Session", isDestroyed],
  ["ServerHttp2Session", isDestroyed]
])

/** A server has the same properties before it listens and after its end. Only the number of its handle differs. */
const hasListened = (server: Server): boolean => internal(server, "async_id_symbol") !== -1

/** A closed port can't be made to hold the process. */
const isOpen = (port: MessagePort): boolean => {
  const held = port.hasRef()
  port.ref()
  const isOpen = port.hasRef()
  if (!held) port.unref()
  return isOpen
}

const isClosed = (socket: Socket): boolean => {
  try {
    socket.getSendQueueSize()
    return false
  } catch {
    return true
  }
}
