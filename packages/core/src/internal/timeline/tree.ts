/** The threads of a timeline as a tree. */
import type { RecordedLease, RecordedThread, Timeline } from "./model.ts"

/** A thread with its depth and its leases. */
export interface Branch {
  readonly thread: RecordedThread
  readonly depth: number
  readonly leases: ReadonlyArray<RecordedLease>
}

export const byId = ({ threads }: Timeline): ReadonlyMap<string, RecordedThread> =>
  new Map(threads.map((thread) => [thread.id, thread]))

/** All threads, each before its children, in the order in which they were spawned. The depth of the tree does not matter. */
export const branches = (timeline: Timeline): ReadonlyArray<Branch> => {
  const known = byId(timeline)
  const children = Map.groupBy(timeline.threads, ({ parent }) => (parent !== null && known.has(parent) ? parent : null))
  const leases = Map.groupBy(timeline.leases, ({ thread }) => thread)
  const all: Array<Branch> = []
  const push = (parent: string | null, depth: number): ReadonlyArray<Branch> =>
    (children.get(parent) ?? []).map((thread) => ({ thread, depth, leases: leases.get(thread.id) ?? [] })).toReversed()
  const left = [...push(null, 0)]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    all.push(next)
    left.push(...push(next.thread.id, next.depth + 1))
  }
  return all
}
