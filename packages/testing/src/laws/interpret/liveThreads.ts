/**
 * The live threads of a run, found by the path of an ancestor.
 *
 * Invariants:
 * 1. Every live thread has a branch, and so have its ancestors.
 * 2. A branch without a live thread is dropped when it is met. An ended thread may still get a child, whose branch then
 *    brings the branches of its ancestors back.
 */

interface Branch {
  readonly name: string
  readonly parent: Branch | undefined
  readonly children: Set<Branch>
}

export class LiveThreads {
  private readonly isAlive: (name: string) => boolean
  private readonly branches: Map<string, Branch> = new Map()

  constructor(isAlive: (name: string) => boolean) {
    this.isAlive = isAlive
  }

  add(name: string): void {
    this.branchOf(name)
  }

  /** The names of the live descendants of a thread. */
  below(name: string): ReadonlyArray<string> {
    const live: Array<string> = []
    const open = [this.branches.get(name)]
    for (let branch = open.pop(); branch !== undefined; branch = open.pop()) {
      for (const child of branch.children) {
        open.push(child)
        if (this.isAlive(child.name)) live.push(child.name)
        else this.drop(child)
      }
    }
    return live
  }

  /** Drops a branch without a live thread, and its ancestors that have no other branch. */
  private drop(branch: Branch): void {
    for (let end: Branch | undefined = branch; end !== undefined; end = end.parent) {
      if (end.children.size > 0 || this.isAlive(end.name)) return
      this.branches.delete(end.name)
      end.parent?.children.delete(end)
    }
  }

  private branchOf(name: string): Branch {
    const known = this.branches.get(name)
    if (known !== undefined) return known
    const dot = name.lastIndexOf(".")
    const parent = dot < 0 ? undefined : this.branchOf(name.slice(0, dot))
    const branch: Branch = { name, parent, children: new Set() }
    this.branches.set(name, branch)
    parent?.children.add(branch)
    return branch
  }
}
