/** Notifies watchers of each new thread. Without a watcher, a spawn costs one comparison more. */
import type { ThreadNode } from "./threadNode.ts"

type Watcher = (node: ThreadNode) => void

const watchers = new Set<Watcher>()

/** Undefined without watchers. */
export let spawned: Watcher | undefined

/** The result removes the watcher. */
export const watch = (watcher: Watcher): (() => void) => {
  watchers.add(watcher)
  spawned = (node) => watchers.forEach((each) => each(node))
  return () => {
    watchers.delete(watcher)
    if (watchers.size === 0) spawned = undefined
  }
}
