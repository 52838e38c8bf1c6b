import { MessageChannel } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { TaskRings } from "../src/internal/host/taskRings.ts"
import * as RingEntry from "../src/internal/wire/ringEntry.ts"
import { type Carried, value, write } from "../src/internal/wire/ringEntry.ts"
import { BadMessage, messagesToHost } from "../src/internal/wire/toHost.ts"
import * as Ring from "../src/internal/wire/ring.ts"

const reason = { _tag: "Interrupted", message: "why", by: "main", at: 1_700_000_000_000.5 }

const messages: ReadonlyArray<Carried> = [
  { _tag: "LeaseHeld", id: 1, lease: 7, name: "file" },
  { _tag: "LeaseEnded", id: 1, lease: 7, result: "failed", error: "the disk is full" },
  { _tag: "LeaseEnded", id: 1, lease: 8, result: "released", error: null },
  { _tag: "Exit", id: 1, exit: { _tag: "Success", value: [1, "two"] } },
  { _tag: "Exit", id: 2 ** 20, exit: { _tag: "Failure", cause: [{ _tag: "Interrupt", reason }] } }
]

/** The rings of a host, and the worker's end of the ring of values. */
const open = () => {
  const { port1, port2 } = new MessageChannel()
  const ended: Array<readonly [number, unknown]> = []
  const interrupted: Array<number> = []
  const sent: Array<unknown> = []
  const failed: Array<string> = []
  const rings = new TaskRings([], port1, {
    ended: (id, of) => ended.push([id, of]),
    interrupted: (id) => interrupted.push(id),
    sent: (list) => sent.push(...list),
    fail: (problem) => failed.push(problem)
  })
  const writer = new Ring.RingWriter(rings.memory.values)
  const close = () => {
    rings.close()
    port1.close()
    port2.close()
  }
  return { rings, writer, ended, interrupted, sent, failed, close, write: writer.write.bind(writer) }
}

describe("an entry of the ring of values", () => {
  for (const message of messages) {
    it(`returns the message that was written: ${JSON.stringify(message)}`, () => {
      const { close, rings, sent, write: to } = open()
      expect(write(message, to)).toBe(true)
      rings.readAll()
      expect(sent).toEqual([message])
      expect(messagesToHost(sent)).toEqual([message])
      close()
    })
  }

  it("is a value or a message, in the order of the writes", () => {
    const { close, ended, rings, sent, writer, write: to } = open()
    writer.write(5, value, 0, "done")
    for (const message of messages) write(message, to)
    rings.readAll()
    expect(ended).toEqual([[5, "done"]])
    expect(sent).toEqual(messages)
    close()
  })

  it("without content means that a task was interrupted as requested, or that a lease was released", () => {
    const { close, interrupted, rings, sent, writer, write: to } = open()
    const before = Array.from(new Int32Array(rings.memory.values).subarray(16, 17))
    writer.write(5, RingEntry.interrupted, 0, undefined)
    write({ _tag: "LeaseEnded", id: 6, lease: 8, result: "released", error: null }, to)
    // Each of these entries has three numbers, and a word for no content.
    expect(new Int32Array(rings.memory.values)[16]! - before[0]!).toBe(8)
    rings.readAll()
    expect(interrupted).toEqual([5])
    expect(sent).toEqual([{ _tag: "LeaseEnded", id: 6, lease: 8, result: "released", error: null }])
    close()
  })

  it("is not written for a lease number beyond 32 bits, or for an exit that the ring can't carry", () => {
    const { close, sent, write: to } = open()
    expect(write({ _tag: "LeaseHeld", id: 1, lease: 2 ** 31, name: "file" }, to)).toBe(false)
    expect(write({ _tag: "LeaseEnded", id: 1, lease: 2 ** 31, result: "released", error: null }, to)).toBe(false)
    expect(write({ _tag: "Exit", id: 1, exit: { _tag: "Success", value: new Map() } }, to)).toBe(false)
    close()
    expect(sent).toEqual([])
  })

  it("with content outside the protocol decodes to a message that the check refuses", () => {
    const { close, interrupted, rings, sent, writer } = open()
    writer.write(1, 2, 7, 13)
    writer.write(1, 3, 7, "released")
    writer.write(1, 1, 0, { _tag: "Success" })
    writer.write(1, 99, 0, undefined)
    writer.write(-1, 2, 7, "file")
    // These kinds have no content, and an interruption names no lease.
    writer.write(1, RingEntry.interrupted, 0, null)
    writer.write(1, RingEntry.interrupted, 7, undefined)
    writer.write(1, 5, 7, "released")
    writer.write(1, 5, -1, undefined)
    rings.readAll()
    expect(sent).toHaveLength(9)
    expect(interrupted).toEqual([])
    for (const message of sent) expect(() => messagesToHost([message])).toThrow(BadMessage)
    close()
  })
})
