/** Spawns and joins threads of the copy of core whose URL it was given, as many as each message says. */
import { parentPort, workerData } from "node:worker_threads"
import { Effect } from "effect"
import { each } from "./each.ts"

const { Thread } = (await import(String(workerData))) as typeof import("@quiesce/core")
const spawnJoin = Effect.flatMap(Thread.spawn(Effect.void), Thread.join)

parentPort!.on("message", (times: number) => {
  void Effect.runPromise(Effect.scoped(each(spawnJoin, times))).then((nanos) => parentPort!.postMessage(nanos))
})
