/** Passes abandoned threads to a list. A program that never dumps its threads has no list in its bundle. */
import type { ThreadNode } from "./threadNode.ts"

interface List {
  readonly add: (node: ThreadNode) => void
  /** The code of the thread has ended. The list may never have had the thread. */
  readonly delete: (node: ThreadNode) => void
}

/** Undefined until a module that reads the list is loaded. */
export let list: List | undefined

export const keep = (next: List): void => {
  list = next
}
