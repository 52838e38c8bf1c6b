/** A worker that interprets programs. Many are started, one after each kill: what they load is compiled once. */
import { enableCompileCache } from "node:module"

enableCompileCache()
await import("./interpreting.ts")
