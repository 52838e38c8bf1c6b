import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { expect, it } from "vitest"

it.each([
  ["ThreadError", "loop #2"],
  ["DeadlineExceeded", "deadline of 20 ms"],
  ["LockError", "index"],
  ["WorkerError", "closed"]
])("a %s that a worker does not catch reaches the host as an error with its message and tag", async (name, text) => {
  const worker = new Worker(new URL("./fixtures/uncaught-error.worker.ts", import.meta.url), { argv: [name] })
  // The event has the error, or the sendable parts of the error.
  const [error] = (await once(worker, "error")) as [Error & { readonly _tag?: string }]

  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({ name, _tag: name })
  expect(error.message).toContain(text)
  expect(error.stack).toContain("uncaught-error.worker.ts")
})
