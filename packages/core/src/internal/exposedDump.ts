/** The dump of this JavaScript thread on `globalThis`, for a debugger that evaluates an expression. */
import type { CancelReason } from "../CancelReason.ts"
import type { DumpedThread, ThreadDump } from "./dumpModel.ts"
import { messageOf } from "./foreignText.ts"

/** The name of the symbol is a contract with `quiesce ps` of every release. */
const key = Symbol.for("@quiesce/core/dump")

interface Exposing {
  [key]?: () => string
}

/** Makes the dump. The first copy of this package stays exposed. */
export const expose = (dump: () => ThreadDump): void => {
  // Nobody else uses the key.
  const exposing = globalThis as Exposing
  exposing[key] ??= () => {
    const made = dump()
    const all = flat(made.threads)
    // The dump was made for this call alone.
    for (const thread of all as Array<Writable>) if (thread.reason !== null) thread.reason = plain(thread.reason)
    try {
      return JSON.stringify(made)
    } catch {
      // The tree is deeper than the stack.
      return JSON.stringify({ ...made, threads: all.map((thread) => ({ ...thread, children: [] })) })
    }
  }
}

type Writable = { -readonly [Key in keyof DumpedThread]: DumpedThread[Key] }

const flat = (threads: ReadonlyArray<DumpedThread>): ReadonlyArray<DumpedThread> => {
  const all = [...threads]
  // The array grows while it is walked.
  for (const { children } of all) for (const child of children) all.push(child)
  return all
}

/** The cause of a foreign signal may be anything. */
const plain = (reason: CancelReason): CancelReason =>
  reason._tag === "Aborted" ? { ...reason, cause: messageOf(reason.cause) } : reason
