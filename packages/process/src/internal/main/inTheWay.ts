/** Texts about the threads that a program still waits for. */
import * as Effect from "effect/Effect"
import * as ThreadDump from "@quiesce/core/ThreadDump"
import type * as Thread from "@quiesce/core/Thread"
import * as Paint from "../output/paint.ts"

/** How many threads the short text names. */
const named = 4

/** A few words: the threads below a program, or the program itself if there is none. */
export const short = (thread: Thread.Thread.Any): Effect.Effect<string> =>
  Effect.map(ThreadDump.of(thread), (top) => {
    const below = descendants(top)
    const waiting = below.length === 0 ? [top] : below
    const names = waiting.slice(0, named).map(nameOf)
    const more = waiting.length > named ? ` and ${waiting.length - named} more` : ""
    const count = below.length === 0 ? "" : `${below.length} ${below.length === 1 ? "thread" : "threads"}: `
    return `${count}${names.join(", ")}${more}`
  })

/** The likely cause of a program that an interrupt has not ended, as a sentence; empty if the cause is another. */
export const uninterruptible = (threads: ReadonlyArray<string>): string => {
  if (threads.length === 0) return ""
  const names = threads.slice(0, named).map((name) => `"${name}"`)
  const more = threads.length > named ? ` and ${threads.length - named} more` : ""
  return ` The interrupt waited for uninterruptible code in the body of ${names.join(", ")}${more}: Effect.uninterruptible, an acquire or a finalizer. Let only the steps be uninterruptible that must not be cut, and give their waits a limit.`
}

const descendants = (top: ThreadDump.DumpedThread): ReadonlyArray<ThreadDump.DumpedThread> => {
  const found: Array<ThreadDump.DumpedThread> = []
  const left = [...top.children].toReversed()
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    found.push(next)
    left.push(...next.children.toReversed())
  }
  return found
}

const nameOf = ({ leases, name }: ThreadDump.DumpedThread): string => {
  const releasing = leases.find(({ releasingMillis }) => releasingMillis !== null)
  return releasing === undefined ? name : `${name}, releasing "${releasing.name}"`
}

/** The threads of the process with their leases, the stacks of busy workers and the trees inside, in colours of stderr. */
export const tree: Effect.Effect<string> = Effect.map(ThreadDump.whole, (dump) =>
  ThreadDump.render(dump, Paint.on(process.stderr))
)
