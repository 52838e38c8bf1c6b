/** The problem of a host and a worker that load different versions of the toolkit. */
import { type Handshake, protocol, source } from "./handshake.ts"

/** Why this thread can't serve its host: the two load different versions of the toolkit. */
export const versionProblem = (handshake: Pick<Handshake, "protocol" | "source">): string | undefined =>
  handshake.protocol === protocol
    ? undefined
    : `the pool and this worker load different versions of @quiesce/worker-threads: ${handshake.source ?? "an older one"} and ${source}. Install one version for both`
