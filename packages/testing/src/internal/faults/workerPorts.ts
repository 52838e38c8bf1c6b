/** The ports that a worker was given. */
import { MessagePort, parentPort, workerData } from "node:worker_threads"

/** That of its parent, and all that are anywhere in its `workerData`. */
export const workerPorts = (): ReadonlyArray<MessagePort> => {
  const seen = new Set<unknown>()
  const ports: Array<MessagePort> = parentPort === null ? [] : [parentPort]
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || seen.has(value)) return
    seen.add(value)
    if (value instanceof MessagePort) ports.push(value)
    else for (const part of value instanceof Map ? value.values() : Object.values(value)) visit(part)
  }
  visit(workerData)
  return ports
}
