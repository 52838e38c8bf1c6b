/** Receives every message and answers none. */
import { workerPorts } from "./workerPorts.ts"

setInterval(() => {}, 60_000)
for (const port of workerPorts()) port.on("message", () => {})
