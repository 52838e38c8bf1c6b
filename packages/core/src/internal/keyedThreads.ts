/**
 * The threads of a map. The threads of one key are a chain, from the youngest to the oldest.
 *
 * Invariants:
 * 1. A chain has the live threads of its key. A key without a live thread has no chain.
 * 2. Only the youngest thread of a chain has not been asked to end by the map. It may have been asked, too.
 * 3. The body of a thread begins once no older thread of its key is alive.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { CancelReason } from "../CancelReason.ts"
import * as Climb from "./climb.ts"
import { failureOf } from "./memberFailure.ts"
import type * as Spawn from "./spawn.ts"
import { nearestAlive } from "./spawn.ts"
import { type NodeGroup, onlyWaits, type Receipt, type ThreadNode } from "./threadNode.ts"
import * as Unjoined from "./unjoined.ts"

/** One live thread of a map. */
export class Entry<K, F> implements NodeGroup {
  readonly map: KeyedThreads<K, F>
  readonly key: K
  readonly node: ThreadNode
  /** Whether an interruption of the thread ends the joins of the map. */
  readonly propagates: boolean
  // Only the map changes these fields.
  older: Entry<K, F> | undefined
  newer: Entry<K, F> | undefined
  /** Whether the map climbs with the thread. */
  isEnding = false
  // Only the ledger changes this field.
  ledgerObservers: undefined = undefined

  constructor(map: KeyedThreads<K, F>, key: K, node: ThreadNode, propagates: boolean) {
    this.map = map
    this.key = key
    this.node = node
    this.propagates = propagates
  }

  get scopeOfOrigin(): Scope.Scope {
    return this.map.scopeOfOrigin
  }

  ended(_node: ThreadNode, exit: Exit.Exit<unknown, unknown>): Receipt {
    return this.map.ended(this, exit)
  }

  /** Waits until no older thread of the key is alive. */
  get turn(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      let withdraw: (() => void) | undefined
      const next = (): typeof onlyWaits => {
        if (this.older === undefined) resume(Effect.void)
        else withdraw = this.older.node.onSettled(next)
        return onlyWaits
      }
      next()
      return Effect.sync(() => withdraw?.())
    })
  }
}

export class KeyedThreads<K, F> {
  /** Closed once the map takes no more threads. */
  readonly scope: Scope.Closeable = Scope.makeUnsafe()
  /** The first failure of a thread, or the end of the map. */
  private readonly outcome: Deferred.Deferred<void, F> = Deferred.makeUnsafe()
  /** The thread whose failure the joins receive. */
  private failed: Entry<K, F> | undefined
  private isJoined = false
  private readonly youngest: MutableHashMap.MutableHashMap<K, Entry<K, F>> = MutableHashMap.empty()
  private readonly maker: ThreadNode
  readonly scopeOfOrigin: Scope.Scope
  private readonly emptied: Set<() => void> = new Set()

  constructor(maker: ThreadNode, scopeOfOrigin: Scope.Scope) {
    this.maker = maker
    this.scopeOfOrigin = scopeOfOrigin
  }

  get parent(): ThreadNode {
    return nearestAlive(this.maker)
  }

  private get isClosed(): boolean {
    return this.scope.state._tag === "Closed"
  }

  /** A thread ends its children before it closes its scope. */
  private get isClosing(): boolean {
    return this.isClosed || (this.scopeOfOrigin === this.maker.scope && this.maker.phase === "cleanup")
  }

  get destination(): Spawn.Destination {
    return { scope: this.scope, scopeOfOrigin: this.scopeOfOrigin, parent: this.parent, hasOwnLink: false }
  }

  /** The number of keys. */
  get size(): number {
    return MutableHashMap.size(this.youngest)
  }

  get(key: K): Entry<K, F> | undefined {
    return Option.getOrUndefined(MutableHashMap.get(this.youngest, key))
  }

  has(key: K): boolean {
    return MutableHashMap.has(this.youngest, key)
  }

  /** The youngest thread of each key. */
  [Symbol.iterator](): Iterator<[K, Entry<K, F>]> {
    return this.youngest[Symbol.iterator]()
  }

  /** All threads, or those of one key. */
  *entries(key?: { readonly of: K }): Generator<Entry<K, F>> {
    const chains = key === undefined ? MutableHashMap.values(this.youngest) : [this.get(key.of)]
    for (const youngest of chains) {
      for (let entry = youngest; entry !== undefined; entry = entry.older) yield entry
    }
  }

  /** The thread of the map that a node belongs to. */
  around(inner: ThreadNode): Entry<K, F> | undefined {
    for (let node: ThreadNode | undefined = inner; node !== undefined; node = node.parentNode) {
      if (node.group instanceof Entry && node.group.map === this && node.isAlive) return node.group as Entry<K, F>
    }
    return undefined
  }

  /** Makes a node the youngest thread of its key. */
  add(key: K, node: ThreadNode, propagates: boolean): Entry<K, F> {
    const entry = new Entry(this, key, node, propagates)
    entry.older = this.get(key)
    if (entry.older !== undefined) entry.older.newer = entry
    MutableHashMap.set(this.youngest, key, entry)
    node.group = entry
    return entry
  }

  /** Starts a climb with threads that the map does not end yet. The climb goes on without its caller. */
  end(entries: Iterable<Entry<K, F>>, reason: CancelReason, fiber: Pick<Fiber.Fiber<never>, "context">): void {
    const nodes: Array<ThreadNode> = []
    for (const entry of entries) {
      if (entry.isEnding) continue
      entry.isEnding = true
      nodes.push(entry.node)
    }
    if (nodes.length > 0) Effect.runForkWith(fiber.context)(Climb.endAll(nodes, reason))
  }

  /** Ends threads and waits for them. A thread of the map does not wait for its own key, which would be for ever. */
  endAndWait(
    entries: ReadonlyArray<Entry<K, F>>,
    reason: CancelReason,
    current: ThreadNode,
    fiber: Pick<Fiber.Fiber<never>, "context">
  ): Effect.Effect<void> {
    const own = this.around(current)
    const ownKey = own === undefined ? undefined : new Set(this.entries({ of: own.key }))
    const awaited = ownKey === undefined ? entries : entries.filter((entry) => !ownKey.has(entry))
    const ends = Climb.endsOf(awaited.map((entry) => entry.node))
    this.end(entries, reason, fiber)
    return Effect.callback((resume) => Effect.sync(ends(() => resume(Effect.void))))
  }

  get whenEmpty(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const done = (): void => resume(Effect.void)
      if (this.size === 0) return done()
      this.emptied.add(done)
      return Effect.sync(() => this.emptied.delete(done))
    })
  }

  close(exit: Exit.Exit<unknown, unknown>): void {
    Scope.closeUnsafe(this.scope, exit)
    if (this.size === 0) this.conclude()
  }

  /** Waits for the outcome. */
  get joined(): Effect.Effect<void, F> {
    return Effect.onExitPrimitive(Deferred.await(this.outcome), (exit) => {
      if (this.failed === undefined || Exit.isSuccess(exit)) return
      this.isJoined = true
      Unjoined.received(this.failed, exit.cause)
    })
  }

  /** An entry leaves its chain. */
  ended(entry: Entry<K, F>, exit: Exit.Exit<unknown, unknown>): Receipt {
    this.unlink(entry)
    const cause = failureOf(entry.node, exit)
    if (cause !== undefined) this.fail(entry, Exit.failCause(cause))
    else if (entry.propagates && !entry.isEnding && !this.isClosing && Exit.isFailure(exit)) this.fail(entry, exit)
    if (this.size === 0) {
      if (this.isClosed) this.conclude()
      const emptied = [...this.emptied]
      this.emptied.clear()
      for (const done of emptied) done()
    }
    if (this.failed !== entry) return "Ignored"
    return this.isJoined ? "Received" : "Kept"
  }

  private fail(entry: Entry<K, F>, exit: Exit.Exit<unknown, unknown>): void {
    if (Deferred.isDoneUnsafe(this.outcome)) return
    this.failed = entry
    // The signature of `run` says which errors these are.
    Deferred.doneUnsafe(this.outcome, exit as Exit.Exit<never, F>)
  }

  private conclude(): void {
    Deferred.doneUnsafe(this.outcome, Exit.void)
  }

  private unlink(entry: Entry<K, F>): void {
    const { key, newer, older } = entry
    if (older !== undefined) older.newer = newer
    if (newer !== undefined) newer.older = older
    else if (older !== undefined) MutableHashMap.set(this.youngest, key, older)
    else MutableHashMap.remove(this.youngest, key)
    entry.older = entry.newer = undefined
  }
}
