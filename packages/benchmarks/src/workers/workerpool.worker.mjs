// The worker of workerpool, which wants its functions by name.
import workerpool from "workerpool"
import task from "./peer.worker.mjs"

workerpool.worker({ task })
