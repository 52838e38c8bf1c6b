/**
 * The least that ends a busy loop in a worker and keeps the worker: one request to the inspector, one message to the worker
 * and one more task, without a pool, a report, a lease or a check of what it is that runs.
 */
import { Session } from "node:inspector"
import { Worker } from "node:worker_threads"

const program = `
const { parentPort, workerData } = require("node:worker_threads")
parentPort.on("message", (message) => {
  if (message !== "loop") return parentPort.postMessage(message)
  Atomics.store(workerData, 0, 1)
  Atomics.notify(workerData, 0)
  for (;;);
})
`

interface Attached {
  readonly params: { readonly sessionId: string }
}

interface Received {
  readonly params: { readonly message: string }
}

/** An inspector that ends the running code of the next worker, and completes when the code has ended. */
const openInspector = () => {
  const session = new Session()
  session.connect()
  const replies = new Map<number, () => void>()
  session.on("NodeWorker.receivedMessageFromWorker", ({ params }: Received) => {
    const { id } = JSON.parse(params.message) as { readonly id: number }
    replies.get(id)?.()
    replies.delete(id)
  })
  const attached = new Promise<string>((resolve) => {
    session.once("NodeWorker.attachedToWorker", ({ params }: Attached) => resolve(params.sessionId))
  })
  session.post("NodeWorker.enable", { waitForDebuggerOnStart: false })
  let lastId = 0
  return {
    attached,
    terminate: (sessionId: string): Promise<void> =>
      new Promise((resolve) => {
        const id = ++lastId
        replies.set(id, resolve)
        const message = JSON.stringify({ id, method: "Runtime.terminateExecution" })
        session.post("NodeWorker.sendMessageToWorker", { sessionId, message })
      }),
    close: () => session.disconnect()
  }
}

/** Runs `measure` with a function that cancels one loop, and gives the milliseconds that it took. */
export const withBareCancel = async <A>(measure: (cancel: () => Promise<number>) => Promise<A>): Promise<A> => {
  const inspector = openInspector()
  const cells = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(program, { eval: true, workerData: cells })
  const sessionId = await inspector.attached
  const answered = (message: string): Promise<unknown> =>
    new Promise((resolve) => {
      worker.once("message", resolve)
      worker.postMessage(message)
    })
  try {
    return await measure(async () => {
      Atomics.store(cells, 0, 0)
      worker.postMessage("loop")
      const waiting = Atomics.waitAsync(cells, 0, 0)
      if (waiting.async) await waiting.value
      const start = performance.now()
      await inspector.terminate(sessionId)
      await answered("ended")
      await answered("next")
      return performance.now() - start
    })
  } finally {
    await worker.terminate()
    inspector.close()
  }
}
