/** Texts about the threads that a program still waits for. */
import * as Effect from "effect/Effect"
import * as ThreadDump from "@quiesce/core/ThreadDump"
import type * as Thread from "@quiesce/core/Thread"
import * as Paint from "../output/paint.ts"

/** How many threads the short text names. */
const named = 4

/**
 * A few words: the threads below a program. If there is none: the program itself, and the threads beside it. A finalizer of
 * the program may wait for one of these, such as for a call of a plain function.
 */
export const short = (thread: Thread.Thread.Any): Effect.Effect<string> =>
  Effect.flatMap(ThreadDump.of(thread), (top) => {
    const below = descendants(top)
    if (below.length > 0) return Effect.succeed(`${counted(below, "")}: ${namesOf(below)}`)
    return Effect.map(ThreadDump.make, ({ threads }) => {
      const others = threads.filter(({ id }) => id !== top.id).flatMap((other) => [other, ...descendants(other)])
      return others.length === 0
        ? nameOf(top)
        : `${nameOf(top)}, beside ${counted(others, "other ")}: ${namesOf(others)}`
    })
  })

type Threads = ReadonlyArray<ThreadDump.DumpedThread>

const counted = (threads: Threads, which: string): string =>
  `${threads.length} ${which}${threads.length === 1 ? "thread" : "threads"}`

const namesOf = (threads: Threads): string => {
  const more = threads.length > named ? ` and ${threads.length - named} more` : ""
  return `${threads.slice(0, named).map(nameOf).join(", ")}${more}`
}

/** The likely cause of a program that an interrupt has not ended, as a sentence; empty if the cause is another. */
export const uninterruptible = (threads: ReadonlyArray<string>): string => {
  if (threads.length === 0) return ""
  const names = threads.slice(0, named).map((name) => `"${name}"`)
  const more = threads.length > named ? ` and ${threads.length - named} more` : ""
  return ` The interrupt waited for uninterruptible code in the body of ${names.join(", ")}${more}: Effect.uninterruptible, an acquire or a finalizer. Let only the steps be uninterruptible that must not be cut, and give their waits a limit.`
}

const descendants = (top: ThreadDump.DumpedThread): Threads => {
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
