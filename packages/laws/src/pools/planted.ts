/** The planted faults of the queue and of a drain: parts of the host with one function replaced. */
import { Draining } from "../../../worker-threads/src/internal/host/draining.ts"
import { TaskQueue } from "../../../worker-threads/src/internal/host/taskQueue.ts"
import { replace, type Undo } from "./replacing.ts"

const queueFaults = ["loses tasks", "forgets what never started", "starves priorities"] as const

export type QueueFault = (typeof queueFaults)[number]

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
  "starves priorities": starve
}

/** Puts a fault into all pools of the process. The result takes the fault away. */
export const plant = (fault: QueueFault): Undo => plants[fault]()

export const isQueueFault = (fault: string | undefined): fault is QueueFault =>
  queueFaults.some((name) => name === fault)
