/** Runs the laws of one test file on separate workers, so that files run concurrently. */
import { availableParallelism } from "node:os"
import type { Name } from "@quiesce/testing/laws/Law"
import * as Laws from "@quiesce/testing/laws/Laws"
import { afterAll } from "vitest"
import { budgetOf } from "../src/Trial.ts"
import * as WorkerAdapter from "../src/WorkerAdapter.ts"

export const suiteOnWorkers = (costs: WorkerAdapter.Options, laws: ReadonlyArray<Name | "model">): void => {
  const adapter = WorkerAdapter.make(Math.min(4, availableParallelism()), costs)
  for (const law of laws) Laws.suite(adapter, { ...budgetOf("workers", law, false), only: [law] })
  afterAll(() => adapter.close())
}
