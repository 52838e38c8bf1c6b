// The function under measurement, in a worker of workerpool.
import workerpool from "workerpool"
import add from "./add.mjs"

workerpool.worker({ add })
