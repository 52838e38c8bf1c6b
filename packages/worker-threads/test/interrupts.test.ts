import { describe, expect, it } from "vitest"
import * as Interrupts from "../src/internal/host/interrupts.ts"
import type { ToWorker } from "../src/internal/wire/message.ts"
import { HostOutbox } from "../src/internal/host/hostOutbox.ts"

/** The worker's side of an outbox: each post is an array of messages. */
const open = () => {
  const posts: Array<unknown> = []
  const outbox = new HostOutbox<ToWorker>({ postMessage: (messages) => void posts.push(structuredClone(messages)) })
  return { outbox, posts }
}

const endOfTurn = (): Promise<void> => Promise.resolve()

const reason = { _tag: "Interrupted", message: "why" }
const interrupt = (...ids: ReadonlyArray<number>) => ({ _tag: "Interrupt", ids, reason })

describe("Interrupts.put", () => {
  it("sends the first interrupt of a turn at once, and the others with the same reason as one message", async () => {
    const { outbox, posts } = open()
    for (const id of [1, 2, 3, 4]) Interrupts.put(outbox, id, reason)
    expect(posts).toEqual([[interrupt(1)]])
    await endOfTurn()
    expect(posts).toEqual([[interrupt(1)], [interrupt(2, 3, 4)]])
  })

  it("overtakes no start, and no other message", async () => {
    const { outbox, posts } = open()
    const start: ToWorker = { _tag: "Start", id: 3, slot: 0, task: "Add", name: "sum", payload: {}, trace: null }
    outbox.put({ _tag: "Pull", id: 1, count: 1 })
    Interrupts.put(outbox, 1, reason)
    Interrupts.put(outbox, 2, reason)
    outbox.put(start)
    Interrupts.put(outbox, 3, reason)
    await endOfTurn()
    expect(posts.flat()).toEqual([{ _tag: "Pull", id: 1, count: 1 }, interrupt(1, 2), start, interrupt(3)])
  })

  it("never joins interrupts with different reasons", async () => {
    const { outbox, posts } = open()
    const other = { ...reason, message: "another" }
    outbox.put({ _tag: "Close" })
    for (const [id, each] of [reason, other, other, reason].entries()) Interrupts.put(outbox, id, each)
    await endOfTurn()
    expect(posts.flat().slice(1)).toEqual([interrupt(0), { ...interrupt(1, 2), reason: other }, interrupt(3)])
  })
})
