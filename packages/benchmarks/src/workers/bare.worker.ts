/** A worker with the imports of a pool's worker, which sends a message after its start. */
import { parentPort } from "node:worker_threads"
import { Blocking, Lease, StopToken } from "@quiesce/core"
import { ThreadWorker } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { Tasks } from "./contract.ts"

parentPort?.postMessage([Blocking, Lease, StopToken, ThreadWorker, Effect, Tasks].length)
