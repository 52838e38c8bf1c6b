/** Runs trials on fibers, in a thread beside others. */
import { parentPort } from "node:worker_threads"
import * as Adapter from "@quiesce/testing/laws/Adapter"
import { run, type Trial } from "./Trial.ts"

parentPort!.on("message", async (trial: Trial) => parentPort!.postMessage(await run(trial, Adapter.fibers)))
