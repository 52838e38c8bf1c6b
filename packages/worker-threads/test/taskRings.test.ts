/** The host's ends of the rings, with a worker in this thread. */
import type { MessagePort } from "node:worker_threads"
import { expect, it } from "vitest"
import { TaskRings } from "../src/internal/host/taskRings.ts"
import { RingWriter } from "../src/internal/wire/ring.ts"

/** A worker that sleeps between its tasks. With `isFast`, the worker has answered before its wake-up returns. */
const open = (isFast: boolean, ended: (id: number) => void = () => {}) => {
  const woken: Array<unknown> = []
  const answers: Array<unknown> = []
  const port = {
    postMessage: (message: unknown) => {
      woken.push(message)
      if (isFast) answer()
    }
  }
  const listener = {
    ended: (id: number, value: unknown) => {
      answers.push(value)
      ended(id)
    },
    interrupted: () => {},
    sent: () => {},
    fail: (problem: string) => void answers.push(problem)
  }
  // The rings use only this function of a port.
  const rings = new TaskRings(["task"], port as unknown as MessagePort, listener)
  const starts = new Int32Array(rings.memory.starts)
  const values = new RingWriter(rings.memory.values)
  let id = 0
  const answer = (): boolean => {
    values.write(id, 0, 0, id)
    // The worker sleeps again.
    Atomics.store(starts, 32, 0)
    return values.mustWake()
  }
  const run = (): boolean => rings.start(++id, 0, "task", null, true)
  const isAsleep = (): boolean => Atomics.load(new Int32Array(rings.memory.values), 32) === 0
  return { answer, answers, isAsleep, run, woken }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it("start reads an answer that came during the wake-up, without a message of the worker", async () => {
  const { answers, run, woken } = open(true)

  expect(run()).toBe(true)
  // The caller's own step ends first.
  expect(answers).toEqual([])
  // On a busy machine the watch may look in a later turn.
  while (answers.length === 0) await turn()

  expect(answers).toEqual([1])
  expect(woken).toEqual([null])
})

it("start watches for the answer, so that the worker sends no message", async () => {
  const { answer, answers, run } = open(false)

  run()
  expect(answer()).toBe(false)
  while (answers.length === 0) await turn()

  expect(answers).toEqual([1])
})

it("a watch without an answer lets the reader sleep, and the next tasks are not watched", async () => {
  const { answer, answers, isAsleep, run } = open(false)
  run()
  while (!isAsleep()) await turn()

  expect(answer()).toBe(true)
  // The call reads the earlier answer before its own.
  run()
  while (!isAsleep()) await turn()
  expect(answers).toEqual([1])
  run()
  expect(isAsleep()).toBe(true)
})

it("immediate answers leave turns to the event loop", async () => {
  let isOver = false
  const { answers, run } = open(true, () => queueMicrotask(() => isOver || run()))
  run()

  await turn()
  await turn()
  await turn()
  isOver = true

  expect(answers.length).toBeGreaterThan(1)
})
