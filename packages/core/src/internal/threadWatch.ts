/** Notifies watchers of each step of each thread. Without a watcher, a step costs one comparison more. */
import { setNoteStep, type ThreadStep } from "./threadNode.ts"

type Watcher = (step: ThreadStep) => void

const watchers = new Set<Watcher>()

/** The result removes the watcher. */
export const watch = (watcher: Watcher): (() => void) => {
  watchers.add(watcher)
  setNoteStep((step) => watchers.forEach((each) => each(step)))
  return () => {
    watchers.delete(watcher)
    if (watchers.size === 0) setNoteStep(undefined)
  }
}
