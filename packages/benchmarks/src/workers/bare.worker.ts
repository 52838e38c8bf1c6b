/** A worker that loads what the worker of a pool does, and says so. */
import { parentPort } from "node:worker_threads"
import { Blocking, Lease, StopToken } from "@quiesce/core"
import { ThreadWorker } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { Tasks } from "./contract.ts"

parentPort?.postMessage([Blocking, Lease, StopToken, ThreadWorker, Effect, Tasks].length)
