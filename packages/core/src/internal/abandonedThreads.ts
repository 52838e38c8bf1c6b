/**
 * The threads that were abandoned and still run. The dump lists them.
 *
 * Invariants:
 * 1. A thread that something can still resume is listed until the thread ends.
 * 2. Of the threads that nothing can resume, only the latest are kept. Otherwise each hanging thread would keep its
 *    memory for as long as the process lives.
 */
import type { ThreadNode } from "./threadNode.ts"

const kept = 100

class AbandonedThreads implements Iterable<ThreadNode> {
  private readonly references = new Set<WeakRef<ThreadNode>>()
  /** The oldest first. */
  private readonly latest = new Set<ThreadNode>()
  private readonly collected = new FinalizationRegistry<WeakRef<ThreadNode>>((reference) =>
    this.references.delete(reference)
  )

  add(node: ThreadNode): void {
    if (node.abandonedReference !== undefined) return
    node.abandonedReference = new WeakRef(node)
    this.references.add(node.abandonedReference)
    this.collected.register(node, node.abandonedReference)
    this.latest.add(node)
    for (const oldest of this.latest) {
      if (this.latest.size <= kept) break
      this.latest.delete(oldest)
    }
  }

  delete(node: ThreadNode): void {
    if (node.abandonedReference === undefined) return
    this.references.delete(node.abandonedReference)
    node.abandonedReference = undefined
    this.latest.delete(node)
  }

  has(node: ThreadNode): boolean {
    return node.abandonedReference !== undefined
  }

  *[Symbol.iterator](): Iterator<ThreadNode> {
    for (const reference of this.references) {
      const node = reference.deref()
      if (node !== undefined) yield node
    }
  }
}

export const abandonedThreads: AbandonedThreads = /* @__PURE__ */ new AbandonedThreads()
