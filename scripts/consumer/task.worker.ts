import "@quiesce/worker-threads/taskWorker"
