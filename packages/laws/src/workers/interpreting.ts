/** The tasks of a worker, under its harness. */
import { type MessagePort, threadId, workerData } from "node:worker_threads"
import * as SharedMutex from "@quiesce/worker-threads/SharedMutex"
import * as ThreadWorker from "@quiesce/worker-threads/ThreadWorker"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scheduler from "effect/Scheduler"
import { Tasks } from "./contract.ts"
import { type Cells, testWorkerKey } from "./messages.ts"
import { Harness, Outsider } from "./harness.ts"
import { WorkerInterpretation } from "./workerInterpretation.ts"
import { handOf, RunClock } from "./runClock.ts"
import { bystander } from "./bystander.ts"
import type { Given } from "./TestPool.ts"
import { replaced } from "./planted.ts"

// Only the test worker writes under this key.
const { cells, fault, port } = workerData[testWorkerKey] as {
  readonly cells: Cells
  readonly port: MessagePort
  readonly fault: unknown
}
const harness = new Harness(port, cells)
const clock = new RunClock(handOf(cells))

const outside = <A>(effect: Effect.Effect<A>): Effect.Effect<A> =>
  Effect.withFiber((fiber) =>
    Effect.provideContext(
      effect,
      Context.make(Outsider, true).pipe(
        Context.add(Scheduler.Scheduler, harness.outside ?? fiber.getRef(Scheduler.Scheduler)),
        Context.add(Clock.Clock, Context.get(Context.empty(), Clock.Clock))
      )
    )
  )

/** The scope is that of the task's own thread. A failure crosses as text. */
const interpreted = (given: Given): Effect.Effect<void, string> =>
  Effect.mapError(
    Effect.asVoid(new WorkerInterpretation(harness, clock.renew(), given, replaced(fault)).body),
    String
  ) as Effect.Effect<void, string>

const handlers = Tasks.toLayer({
  Hello: () =>
    Effect.withFiber((fiber) =>
      Effect.sync(() => {
        harness.wrap(fiber.getRef(Scheduler.Scheduler))
        return threadId
      })
    ),
  Run: (given) => interpreted(given),
  // The host has made the text of a `Given`.
  Call: ({ text }) => interpreted({ ...(JSON.parse(text) as Given), mutex: SharedMutex.makeUnsafe() }),
  Bystander: ({ word }) => outside(bystander(word))
})

ThreadWorker.main(Tasks, Layer.provide(handlers, Layer.succeed(Clock.Clock, clock)))
