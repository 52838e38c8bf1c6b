import type { MessagePort } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { HostOutbox } from "../src/internal/host/hostOutbox.ts"

/** A port that clones each posted message, as a real port does, and keeps the clone. */
const open = () => {
  const posts: Array<unknown> = []
  const transferred: Array<unknown> = []
  const port = {
    postMessage: (value: unknown, transfers: Array<ArrayBuffer> = []) => {
      posts.push(structuredClone(value, { transfer: transfers }))
      transferred.push(...transfers)
    }
  }
  // An outbox only posts.
  const outbox = new HostOutbox<unknown>(port as unknown as MessagePort)
  const unsendable: Array<unknown> = []
  outbox.onUnsendable = (message, cause) => unsendable.push([message, cause])
  return { outbox, posts, transferred, unsendable }
}

const uncloneable = { code: () => {} }

/** Completes after the microtasks of this turn. */
const endOfTurn = (): Promise<void> => Promise.resolve()

describe("Outbox.put", () => {
  it("posts all messages of a turn at its end, in one array, in order", async () => {
    const { outbox, posts } = open()
    outbox.put("first")
    outbox.put("second")
    expect(posts).toEqual([])
    await endOfTurn()
    expect(posts).toEqual([["first", "second"]])
    outbox.put("third")
    await endOfTurn()
    expect(posts).toEqual([["first", "second"], ["third"]])
  })
})

describe("Outbox.putSoon", () => {
  it("posts the first message of a turn at once, and the others together at its end", async () => {
    const { outbox, posts } = open()
    for (const message of ["first", "second", "third"]) outbox.putSoon(message)
    expect(posts).toEqual([["first"]])
    await endOfTurn()
    expect(posts).toEqual([["first"], ["second", "third"]])
    outbox.putSoon("fourth")
    expect(posts).toEqual([["first"], ["second", "third"], ["fourth"]])
  })

  it("keeps the order with other messages", async () => {
    const { outbox, posts } = open()
    outbox.put("first")
    outbox.putSoon("second")
    outbox.putNow("third")
    outbox.putSoon("fourth")
    outbox.put("fifth")
    await endOfTurn()
    expect(posts.flat()).toEqual(["first", "second", "third", "fourth", "fifth"])
  })
})

describe("Outbox.putNow", () => {
  it("posts at once, after the messages that were put before", async () => {
    const { outbox, posts } = open()
    outbox.put("first")
    outbox.putNow("second")
    expect(posts).toEqual([["first"], ["second"]])
    outbox.put("third")
    await endOfTurn()
    expect(posts).toEqual([["first"], ["second"], ["third"]])
  })

  it("passes transfers on to the port", () => {
    const { outbox, posts, transferred } = open()
    const bytes = new ArrayBuffer(8)
    outbox.putNow({ bytes }, [bytes])
    expect(transferred).toEqual([bytes])
    expect(bytes.byteLength).toBe(0)
    expect(posts).toMatchObject([[{ bytes: { byteLength: 8 } }]])
  })

  it("throws for a message that can't be cloned, and loses no other", async () => {
    const { outbox, posts, unsendable } = open()
    outbox.put("before")
    expect(() => outbox.putNow(uncloneable)).toThrow("could not be cloned")
    outbox.put("after")
    await endOfTurn()
    expect(posts).toEqual([["before"], ["after"]])
    expect(unsendable).toEqual([])
  })
})

describe("Outbox.flush", () => {
  it("posts waiting messages before the turn ends, and no message twice", async () => {
    const { outbox, posts } = open()
    outbox.put("first")
    outbox.flush()
    expect(posts).toEqual([["first"]])
    await endOfTurn()
    outbox.flush()
    expect(posts).toEqual([["first"]])
  })

  it("reports a message that can't be cloned, and posts the others of its turn in order", async () => {
    const { outbox, posts, unsendable } = open()
    outbox.put("first")
    outbox.put(uncloneable)
    outbox.put("third")
    await endOfTurn()
    expect(posts).toEqual([["first"], ["third"]])
    expect(unsendable).toEqual([[uncloneable, expect.objectContaining({ name: "DataCloneError" })]])
  })

  it("posts a message in the next turn that is put while another is reported", async () => {
    const { outbox, posts } = open()
    outbox.onUnsendable = () => outbox.put("it can't be cloned")
    outbox.put(uncloneable)
    outbox.put("second")
    await endOfTurn()
    await endOfTurn()
    expect(posts).toEqual([["second"], ["it can't be cloned"]])
  })
})
