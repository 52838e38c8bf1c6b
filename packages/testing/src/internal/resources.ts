/**
 * What Node's async hooks tell of: timers, immediates, handles, workers and child processes.
 *
 * Invariants:
 * 1. While installed, `origins` has each resource that was made since and has not been destroyed, `made` those of them
 *    that may be left over.
 * 2. What is made within `quietly` is not seen.
 */
import { createHook, executionAsyncId } from "node:async_hooks"
import { ChildProcess } from "node:child_process"
import { basename } from "node:path"
import type { Kind } from "../LeftOver.ts"
import { followsAll, forget, type Made, tell } from "./made.ts"
import { Origin } from "./origin.ts"

/** Handles by their types in async hooks. A request is none: it ends by itself. */
const handles: Readonly<Record<string, string>> = {
  TCPWRAP: "TCP socket",
  TCPSERVERWRAP: "TCP server",
  PIPEWRAP: "pipe",
  PIPESERVERWRAP: "pipe server",
  UDPWRAP: "UDP socket",
  TTYWRAP: "terminal",
  FSEVENTWRAP: "watcher of a file (fs.watch)",
  STATWATCHER: "watcher of a file (fs.watchFile)",
  SIGNALWRAP: "listener for an OS signal",
  MESSAGEPORT: "message port"
}

/**
 * What Node makes for itself: standard streams at their first use, timers of AbortSignals, which nobody can clear, and the one
 * by which an HTTP server keeps its date.
 */
const ofNode = /node:internal\/bootstrap\/|setWeakAbortSignalTimeout \(node:|\(node:internal\/http:/

/** The parts of a resource that are looked at; internals of Node only where they may be missing. */
interface Resource {
  readonly hasRef?: () => boolean
  readonly threadId?: number
  readonly pid?: number
  readonly _idleTimeout?: number
  readonly _repeat?: number | null
}

const origins = new Map<number, Origin>()
const made = new Map<number, Made>()
let quiet = false

/** Makes what this package needs for itself. */
export const quietly = <A>(make: () => A): A => {
  const before = quiet
  quiet = true
  try {
    return make()
  } finally {
    quiet = before
  }
}

/** Turns the stacks that are kept into text, as each keeps alive what the functions in it see. */
export const letGo = (): void => {
  for (const origin of origins.values()) void origin.frames
}

/** What runs now, as far as it was made while somebody watched. */
export const running = (): Origin | undefined => origins.get(executionAsyncId())

const describe = (type: string, resource: Resource): Pick<Made, "kind" | "what"> | undefined => {
  switch (type) {
    case "Timeout":
      return {
        kind: "timer",
        what: () =>
          `${typeof resource._repeat === "number" ? "setInterval" : "setTimeout"} of ${resource._idleTimeout} ms`
      }
    case "Immediate":
      return { kind: "immediate", what: () => "setImmediate" }
    case "WORKER":
      return { kind: "worker", what: () => `worker thread ${resource.threadId}` }
    case "PROCESSWRAP":
      return { kind: "process", what: () => `child process ${resource.pid}${commandOf(resource)}` }
    default: {
      const name = handles[type]
      return name === undefined ? undefined : { kind: "handle", what: () => name }
    }
  }
}

const longestCommand = 60

/** Node's object for a child process hangs on its handle by a symbol of Node's own. */
const commandOf = (resource: object): string => {
  const symbol = Object.getOwnPropertySymbols(resource).find(({ description }) => description === "owner_symbol")
  const owner: unknown = symbol === undefined ? undefined : Reflect.get(resource, symbol)
  if (!(owner instanceof ChildProcess)) return ""
  const command = [basename(owner.spawnfile), ...owner.spawnargs.slice(1)].join(" ")
  return ` (${command.length > longestCommand ? `${command.slice(0, longestCommand)}...` : command})`
}

const partOf = (stack: string): Kind | undefined => {
  if (stack.includes("new Worker (node:internal/worker")) return "worker"
  return stack.includes("(node:internal/child_process") ? "process" : undefined
}

const hook = createHook({
  init(id, type, _trigger, raw) {
    if (quiet || type === "PROMISE") return
    const resource: Resource = raw
    const description = describe(type, resource)
    // What led to what is not followed where that would cost more than all the rest.
    if (description === undefined && !followsAll()) return
    const origin = new Origin(running())
    origins.set(id, origin)
    if (description === undefined) return
    const one: Made = {
      ...description,
      isThere: () => made.has(id) && !ofNode.test(origin.text) && !origin.isRunners,
      unref: () => resource.hasRef?.() === false,
      madeAt: () => origin.frames,
      partOf: () => partOf(origin.text)
    }
    made.set(id, one)
    tell(one)
  },
  destroy(id) {
    origins.delete(id)
    const one = made.get(id)
    if (one === undefined) return
    made.delete(id)
    forget(one)
  }
})

export const install = (): void => {
  hook.enable()
}

export const uninstall = (): void => {
  hook.disable()
  origins.clear()
  made.clear()
}
