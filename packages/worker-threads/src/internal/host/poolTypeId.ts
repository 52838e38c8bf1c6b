/** The key by which `WorkerPool.isWorkerPool` knows a pool. */
export const TypeId: "~@quiesce/worker-threads/WorkerPool" = "~@quiesce/worker-threads/WorkerPool"
