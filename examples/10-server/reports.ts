/** The contract of the workers: a report has the number of primes in each of its parts. */
import type { WorkerPool } from "@quiesce/worker-threads"
import { Context, Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

export class ReportTasks extends RpcGroup.make(
  /** Writes a report in one transaction, and gives the sum. `below` is the end of the numbers that are looked at. */
  Rpc.make("Write", {
    payload: { id: Schema.String, parts: Schema.Number, below: Schema.Number },
    success: Schema.Number
  })
) {}

export class Reports extends Context.Service<Reports, WorkerPool.Of<typeof ReportTasks>>()("Reports") {}
