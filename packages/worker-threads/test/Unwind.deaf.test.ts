import { Thread } from "@quiesce/core"
import { WorkerPool } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { Worker } from "node:worker_threads"
import { describe, expect, it } from "vitest"
import { Deaf } from "./fixtures/deaf-contract.ts"
import { makeFifo } from "./fixtures/fifo.ts"

const url = new URL("./fixtures/deaf.worker.ts", import.meta.url)

describe.skipIf(process.platform === "win32")(
  "the report of a thread whose engine answers no inspector request",
  () => {
    it.each([
      ["in a section", true],
      ["outside sections", false]
    ])("has the missing answer as the cause: %s", (_, inSection) =>
      Effect.gen(function* () {
        const fifo = yield* makeFifo
        const pool = yield* WorkerPool.make(Deaf, { spawn: (options) => new Worker(url, options), size: 1 })
        const thread = yield* pool.spawn("Read", { fifo: fifo.path, inSection })
        yield* fifo.whenRead
        const report = yield* Thread.shutdown(thread, {
          escalation: {
            interrupt: "10 millis",
            unwind: "1500 millis",
            kill: "10 millis"
          }
        })
        yield* fifo.end
        expect(report.ending._tag).toBe("Abandoned")
        expect(report.attempts.find(({ rung }) => rung === "unwind")).toMatchObject({
          _tag: "Outwaited",
          why: "the engine did not answer in time: the running code looks at no request, or the machine is busy"
        })
      }).pipe(Effect.scoped, Effect.runPromise)
    )
  }
)
