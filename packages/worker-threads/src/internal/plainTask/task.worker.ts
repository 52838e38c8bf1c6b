/** The worker of plain functions. */
import { isMainThread, workerData } from "node:worker_threads"
import { handshakeOf, versionProblem } from "../wire/handshake.ts"
import { guardUncaught } from "../worker/uncaught.ts"
import { earlyOf } from "./early.ts"
import * as Functions from "./worker/functions.ts"
import { serve } from "./worker/plainWorker.ts"

const handshake = handshakeOf(workerData)
if (handshake === undefined) {
  throw new Error(
    `This module is the worker of plain functions. ${isMainThread ? "Call runTask or createTaskPool, which start it" : "Only runTask and createTaskPool start it"}.`
  )
}
const mismatch = versionProblem(handshake)
if (mismatch !== undefined) throw new Error(mismatch)
guardUncaught(handshake.port)
serve(handshake)
const early = earlyOf(workerData)
if (early !== undefined) void Functions.load(early)
