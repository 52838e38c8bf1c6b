/** The planted faults of pools without those of leases: parts of the host with one function replaced. Nothing here loads Effect. */
import { Draining } from "../../../worker-threads/src/internal/host/draining.ts"
import { TaskQueue } from "../../../worker-threads/src/internal/host/taskQueue.ts"
import { LightWorker } from "../../../worker-threads/src/internal/plainTask/host/lightWorker.ts"

/** The last one is a fault of light pools. */
const queueFaults = [
  "loses tasks",
  "forgets what never started",
  "starves priorities",
  "starts what was taken back"
] as const

export type QueueFault = (typeof queueFaults)[number]

type Undo = () => void

/** Replaces a method of a class, which may be private. */
const replace = (prototype: object, name: string, make: (before: Function) => Function): Undo => {
  const before: Function = Reflect.get(prototype, name)
  Reflect.set(prototype, name, make(before))
  return () => void Reflect.set(prototype, name, before)
}

const queue = TaskQueue.prototype

type Queue = TaskQueue<{ name: string; priority: number; waitingSince: number }>

/** Takes the task of the lowest priority. */
const starve = (): Undo => {
  const removes = new WeakMap<object, Undo>()
  const undoes = [
    replace(
      queue,
      "add",
      (add) =>
        function (this: Queue, task: object): Undo {
          const remove: Undo = add.call(this, task)
          removes.set(task, remove)
          return remove
        }
    ),
    replace(
      queue,
      "take",
      () =>
        function (this: Queue): unknown {
          const last = this.all.at(-1)
          if (last !== undefined) removes.get(last)?.()
          return last
        }
    )
  ]
  return () => undoes.forEach((undo) => undo())
}

type Light = {
  readonly isOpen: boolean
  readonly slots: ReadonlyArray<unknown>
  readonly remove: (call: unknown) => void
}

function hasRoom(this: Light): boolean {
  return this.isOpen && this.slots.length > 0
}

/**
 * Calls are sent ahead however long they take. On a busy machine no call is short enough. There, a call has also waited for
 * long enough to be taken back before it is aborted: so the fault has no call wait for too long.
 */
const sendAhead = (): Undo => {
  const before = Object.getOwnPropertyDescriptor(LightWorker.prototype, "canWait")!
  Object.defineProperty(LightWorker.prototype, "canWait", { ...before, get: hasRoom })
  return () => void Object.defineProperty(LightWorker.prototype, "canWait", before)
}

/** The claim of a call that is taken back stays, and the worker starts the call. */
const startTaken = (): Undo =>
  replace(
    LightWorker.prototype,
    "claim",
    () =>
      function (this: Light, call: unknown) {
        this.remove(call)
        return true
      }
  )

const plants: Readonly<Record<QueueFault, () => Undo>> = {
  "loses tasks": () =>
    replace(
      queue,
      "take",
      (take) =>
        function (this: Queue): unknown {
          return this.size > 2 ? (take.call(this), take.call(this)) : take.call(this)
        }
    ),
  "forgets what never started": () => replace(Draining.prototype, "unstarted", () => () => {}),
  "starves priorities": starve,
  "starts what was taken back": () => {
    const undoes = [sendAhead(), replace(LightWorker.prototype, "delay", () => () => 0), startTaken()]
    return () => undoes.forEach((undo) => undo())
  }
}

/** Puts a fault into all pools of the process. The result takes the fault away. */
export const plant = (fault: QueueFault): Undo => plants[fault]()

export const isQueueFault = (fault: string | undefined): fault is QueueFault =>
  queueFaults.some((name) => name === fault)
