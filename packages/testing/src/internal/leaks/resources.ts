/**
 * The resources that Node's async hooks report: timers, immediates, handles, workers and child processes.
 *
 * Invariants:
 * 1. While installed, `origins` has each resource made since then and not destroyed, and `tracked` has the resources
 *    among them that may be left over.
 * 2. A resource made within `quietly` is not tracked.
 */
import { createHook, executionAsyncId } from "node:async_hooks"
import { ChildProcess } from "node:child_process"
import { basename } from "node:path"
import type { Kind } from "../../LeftOver.ts"
import { Origin } from "./origin.ts"
import { followsAll, forget, report, type TrackedResource } from "./tracker.ts"

/** Handles by their type in async hooks. Requests are left out, because a request ends by itself. */
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
 * The stacks of resources that Node makes for itself: standard streams at first use, the timers of AbortSignals, which no
 * code can clear, and the timer for the date header of an HTTP server.
 */
const ofNode = /node:internal\/bootstrap\/|setWeakAbortSignalTimeout \(node:|\(node:internal\/http:/

/** The fields of Node's resources that are read. Internals of Node are optional. */
interface Resource {
  readonly hasRef?: () => boolean
  readonly threadId?: number
  readonly pid?: number
  readonly _idleTimeout?: number
  readonly _repeat?: number | null
}

const origins = new Map<number, Origin>()
const tracked = new Map<number, TrackedResource>()
let quiet = false

/** Runs code of this package without tracking the resources that the code makes. */
export const quietly = <A>(make: () => A): A => {
  const before = quiet
  quiet = true
  try {
    return make()
  } finally {
    quiet = before
  }
}

/** Turns the recorded stacks into text, because a recorded stack keeps alive all that its functions see. */
export const writeStacks = (): void => {
  for (const origin of origins.values()) void origin.frames
}

/** The origin of the resource whose callback runs now; undefined for a resource from before the watch. */
export const running = (): Origin | undefined => origins.get(executionAsyncId())

const describe = (type: string, resource: Resource): Pick<TrackedResource, "kind" | "what"> | undefined => {
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

/** A handle refers to Node's ChildProcess by a symbol of Node's own. */
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
  init(id, type, _trigger, raw: Resource) {
    if (quiet || type === "PROMISE") return
    const description = describe(type, raw)
    // Causes are followed through foreign code only for trackers that need the causes: to follow is the larger cost.
    if (description === undefined && !followsAll()) return
    const origin = new Origin(running())
    origins.set(id, origin)
    if (description === undefined) return
    const resource: TrackedResource = {
      ...description,
      isThere: () => tracked.has(id) && !ofNode.test(origin.text) && !origin.isRunners,
      handle: () => raw,
      unref: () => raw.hasRef?.() === false,
      madeAt: () => origin.frames,
      partOf: () => partOf(origin.text)
    }
    tracked.set(id, resource)
    report(resource)
  },
  destroy(id) {
    origins.delete(id)
    const resource = tracked.get(id)
    if (resource === undefined) return
    tracked.delete(id)
    forget(resource)
  }
})

export const install = (): void => {
  hook.enable()
}

export const uninstall = (): void => {
  hook.disable()
  origins.clear()
  tracked.clear()
}
