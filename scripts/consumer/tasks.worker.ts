import { Blocking } from "@quiesce/core"
import { ThreadWorker } from "@quiesce/worker-threads"
import { Tasks } from "./tasks.ts"

ThreadWorker.main(
  Tasks,
  Tasks.toLayer({ CountWords: ({ text }) => Blocking.interruptible(() => text.split(/\s+/).length) })
)
