/** The plain function of a test worker: interprets programs, and lives beside them. Loads Effect only for locks. */
import { threadId, workerData } from "node:worker_threads"
import type { Task } from "@quiesce/worker-threads"
import { type Cells, testWorkerKey } from "../workers/messages.ts"
import { type Input, type PlainFault, withLocks } from "./plainContract.ts"
import { PlainHarness } from "./plainHarness.ts"
import * as PlainInterpretation from "./plainInterpretation.ts"
import type { Lock } from "./plainRun.ts"
import { shortenGrace } from "./seam.ts"

// Only the test worker writes under this key.
const { cells, extra, fault, port } = workerData[testWorkerKey] as {
  readonly cells: Cells
  readonly port: ConstructorParameters<typeof PlainHarness>[0]
  readonly fault: PlainFault | undefined
  readonly extra: string
}
const harness = new PlainHarness(port, cells)

const loadLock = async (): Promise<Lock> => {
  const SharedMutex = await import("@quiesce/worker-threads/SharedMutex")
  return (mutex) => {
    const guard = SharedMutex.lockSync(mutex)
    if (guard.ownerDied) guard.markConsistent()
    return guard
  }
}

const lock = extra === withLocks ? await loadLock() : undefined

/** Holds a lease and loops until `word` is set. No cancel may reach the bystander. */
const bystander = async (word: Int32Array, { signal, token }: Task.TaskContext): Promise<ReadonlyArray<string>> => {
  const problems: Array<string> = []
  let isDone = false
  try {
    let turns = 0
    while (turns++ < 3 || Atomics.load(word, 0) === 0) {
      if (token.stopRequested) problems.push("it was asked to stop")
      if (token.interrupted || signal.aborted) problems.push("it was interrupted")
      let sum = 0
      for (let i = 0; i < 100; i++) sum += i
      if (sum !== 4950) problems.push("its loop was ended")
      await new Promise((resolve) => setImmediate(resolve))
      if (problems.length > 0) break
    }
    isDone = true
    return problems
  } finally {
    if (!isDone) problems.push("it was ended")
  }
}

export default function run(input: Input, context: Task.TaskContext): unknown {
  switch (input._tag) {
    case "Hello":
      return threadId
    case "Run":
      return PlainInterpretation.call(input.given, context, { harness, lock, fault, shortenGrace })
    case "Bystander":
      return bystander(input.word, context)
  }
}
