/** Sends what belongs to no protocol, and stays. */
import { workerPorts } from "./workerPorts.ts"

const garbage: ReadonlyArray<unknown> = [
  undefined,
  null,
  0,
  "garbage",
  [],
  [null],
  {},
  { _tag: "Garbage" },
  { id: "not a number", _tag: ["Exit"] },
  [{ _tag: "Exit" }, { _tag: "Ready", extra: new Map([[{}, new Set([1])]]) }],
  new Error("garbage"),
  new Uint8Array(3),
  new SharedArrayBuffer(8)
]

setInterval(() => {}, 60_000)
for (const port of workerPorts()) for (const message of garbage) port.postMessage(message)
