/** The worker of plain functions. */
import { isMainThread, workerData } from "node:worker_threads"
import { handshakeOf, type Handshake, versionProblem } from "../wire/handshake.ts"
import { guardUncaught } from "../worker/uncaught.ts"
import { earlyOf } from "./early.ts"
import * as Functions from "./worker/functions.ts"
import { serve } from "./worker/plainWorker.ts"

const start = (handshake: Handshake): void => {
  const mismatch = versionProblem(handshake)
  if (mismatch !== undefined) throw new Error(mismatch)
  guardUncaught(handshake.port)
  serve(handshake)
}

const handshake = handshakeOf(workerData)
const early = earlyOf(workerData)

if (handshake !== undefined) start(handshake)
else if (early !== undefined) {
  // The host loads the rest of its code while this thread starts, and then sends the handshake that other workers get at their start.
  const { port, url } = early
  port.once("message", (given: unknown) => {
    port.close()
    const late = handshakeOf(given)
    if (late !== undefined) start(late)
  })
  void Functions.load(url)
} else {
  throw new Error(
    `This module is the worker of plain functions. ${isMainThread ? "Call runTask or createTaskPool, which start it" : "Only runTask and createTaskPool start it"}.`
  )
}
