/** A worker that interprets programs. Each kill starts a new worker, so the modules are compiled once for all. */
import { enableCompileCache } from "node:module"

enableCompileCache()
await import("./interpreting.ts")
