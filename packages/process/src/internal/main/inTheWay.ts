/** Texts about the threads that a program still waits for. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Adapter from "@quiesce/core/adapter"
import * as ThreadDump from "@quiesce/core/ThreadDump"
import type * as Thread from "@quiesce/core/Thread"

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

/** The limit on the search for the stack of a thread, in milliseconds. */
const patience = 1000

/** The tree of a program's threads with their leases, and the stacks of busy workers. */
export const tree = (thread: Thread.Thread.Any): Effect.Effect<string> =>
  Effect.gen(function* () {
    const dumped = yield* ThreadDump.of(thread)
    const at = Date.now()
    const stacks = yield* Effect.forEach(Adapter.withDescendants(thread), stackOf, { concurrency: "unbounded" })
    const text = ThreadDump.render({ at, leases: [], threads: [dumped] })
    return [text, ...stacks.filter((stack) => stack !== "")].join("\n")
  })

const stackOf = (thread: Thread.Thread.Any): Effect.Effect<string> =>
  Adapter.controlsOf(thread).locate.pipe(
    Effect.timeoutOption(patience),
    Effect.map(Option.flatten),
    Effect.map(
      Option.match({
        onNone: () => "",
        onSome: (stack) => `${thread.name} #${thread.id} runs\n${indented(stack)}`
      })
    ),
    Effect.catchCause(() => Effect.succeed(""))
  )

const indented = (stack: string): string =>
  stack
    .split("\n")
    .map((line) => `  ${line.trim()}`)
    .join("\n")
