/** The worker of plain functions, in this thread. */
import { expect, it } from "vitest"
import * as WorkerEnds from "../src/internal/host/workerEnds.ts"
import { task } from "../src/internal/plainTask/contract.ts"
import * as Functions from "../src/internal/plainTask/worker/functions.ts"
import { serve } from "../src/internal/plainTask/worker/plainWorker.ts"
import * as ControlBlock from "../src/internal/wire/controlBlock.ts"
import { protocol, source } from "../src/internal/wire/handshake.ts"
import { RingWriter } from "../src/internal/wire/ring.ts"
import { decodeToHost } from "../src/internal/wire/toHost.ts"

it("an interrupt ends a call whose start the worker has not read, also behind 256 other starts", async () => {
  // A worker takes 256 starts at a time. A start has the address of its module. With longer addresses, the ring has room for
  // fewer starts.
  const url = "data:text/javascript,export default n=>n"
  await Functions.load(url)
  const count = 300
  const ends: Array<readonly [id: number, how: unknown]> = []
  const { control, given, port, remote, rings } = WorkerEnds.make(count, [task], {
    ended: (id, value) => ends.push([id, value]),
    interrupted: (id) => ends.push([id, "interrupted"]),
    sent: () => {},
    fail: (problem) => ends.push([-1, problem])
  })
  const starts = new RingWriter(rings.memory.starts)
  for (let id = 0; id < count; id++) {
    ControlBlock.reset(control, id, id, Infinity)
    expect(starts.write(id, id, 0, { url, input: id, reports: false })).toBe(true)
  }
  // The worker is awake, so this is its first message.
  port.postMessage([{ _tag: "Interrupt", ids: [count - 1], reason: { _tag: "Interrupted", message: "enough" } }])
  serve({ ...given, capabilities: undefined, protocol, source, port: remote })
  await new Promise<void>((resolve) => {
    port.on("message", (raw) => {
      for (const message of decodeToHost(raw) ?? [])
        if (message._tag === "Exit") ends.push([message.id, message.exit._tag])
      rings.read()
      if (ends.length >= count) resolve()
    })
  })
  port.postMessage([{ _tag: "Close" }])
  expect(ends.toSorted(([one], [other]) => one - other)).toEqual(
    Array.from({ length: count }, (_, id) => [id, id === count - 1 ? "Failure" : id])
  )
})
