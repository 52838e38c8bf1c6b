/**
 * Ends a busy loop in a worker in the fewest steps, and keeps the worker: one request to the inspector, one message to the
 * worker and one more task. There is no pool, report, lease or check of the running code.
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

/** Opens an inspector for the next worker. `terminate` ends the worker's running code, and completes after the end. */
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

/** Runs `measure` with a function that cancels one loop. The function returns the milliseconds until the next task is done. */
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
