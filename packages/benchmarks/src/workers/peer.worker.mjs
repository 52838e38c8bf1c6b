// The worker of the peers: adds, or loops for ever.
import { isMainThread, parentPort, workerData } from "node:worker_threads"

export default ({ a, b, cells }) => {
  if (cells === undefined) return a + b
  Atomics.store(cells, 0, 1)
  Atomics.notify(cells, 0)
  for (;;);
}

if (!isMainThread && workerData?.bare === true) {
  parentPort.on("message", ({ id, a, b }) => parentPort.postMessage({ id, value: a + b }))
  parentPort.postMessage({ id: 0 })
}
