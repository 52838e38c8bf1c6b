/** The worker of plain functions. */
import { workerData } from "node:worker_threads"
import { handshakeOf, protocol } from "../wire/handshake.ts"
import { guardUncaught } from "../worker/uncaught.ts"
import * as Functions from "./worker/functions.ts"
import { serve } from "./worker/plainWorker.ts"

/** How many characters of a stack are sent. */
const maxStack = 16_000

/** The code for the texts of all values is not loaded, and a value of this size is hardly anything but an error. */
const stackOf = (thrown: unknown): string => {
  try {
    if (thrown instanceof Error && typeof thrown.stack === "string") return thrown.stack.slice(0, maxStack)
  } catch {
    // The value throws when it is read.
  }
  return "An uncaught value was too large to send"
}

const handshake = handshakeOf(workerData)
if (handshake?.protocol !== protocol) throw (await import("./worker/misuse.ts")).misuse(handshake)
guardUncaught(handshake.port, stackOf)
serve(handshake)
if (handshake.early !== undefined) void Functions.load(handshake.early)
