/**
 * The threads of a client that no runner has said to run. The runner of such a thread may be gone: after it has entered the
 * thread into the store, and before its first event has arrived. The client watches no runner for it yet. The runner may
 * also be gone before it has entered the thread. The engine then does not always answer or repeat the call.
 */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import type { LostRunners } from "./lostRunners.ts"

/** The parts of a thread for a look. */
export interface Unstarted {
  readonly id: string
  readonly settleByRow: Effect.Effect<void>
  /** Calls for a start again. The body starts once, because only one runner can enter the thread into the store. */
  readonly startOver: () => void
}

/** As many threads are looked up in one statement. */
const batch = 500

/**
 * After so many looks in a row without a row of the thread, its start is called for again. The next call comes after twice as
 * many looks, and so on, so that calls for many threads don't add to the work of a busy runner.
 */
const looksWithoutRow = 3

const isTurn = (looks: number): boolean => Number.isInteger(Math.log2(looks / looksWithoutRow))

export class UnstartedThreads {
  private readonly store: ThreadStore
  private readonly lost: LostRunners
  private readonly threads = new Set<Unstarted>()
  /** Those of the last look. A thread that starts between two looks costs nothing. */
  private before: ReadonlySet<Unstarted> = new Set()
  /** How many looks in a row have found no row of a thread, by the id of the thread. */
  private missing = new Map<string, number>()

  constructor(store: ThreadStore, lost: LostRunners) {
    this.store = store
    this.lost = lost
  }

  add(thread: Unstarted): void {
    this.threads.add(thread)
  }

  delete(thread: Unstarted): void {
    this.threads.delete(thread)
  }

  /** Settles the threads whose rows have an end, fences dead runners, and repeats starts without an answer. */
  get look(): Effect.Effect<void, ClusterError> {
    return Effect.suspend(() => {
      const { before, missing } = this
      this.missing = new Map()
      const waiting = Array.from(this.threads).filter((thread) => before.has(thread))
      this.before = new Set(this.threads)
      const batches = Array.from({ length: Math.ceil(waiting.length / batch) }, (_, n) =>
        waiting.slice(n * batch, (n + 1) * batch)
      )
      return Effect.forEach(batches, (some) => this.lookAt(some, missing), { discard: true })
    })
  }

  private lookAt(
    threads: ReadonlyArray<Unstarted>,
    missing: ReadonlyMap<string, number>
  ): Effect.Effect<void, ClusterError> {
    return Effect.gen({ self: this }, function* () {
      const rows = yield* this.store.rows(threads.map(({ id }) => id))
      yield* this.lost.fence(new Set(rows.flatMap(({ runner, state }) => (state === "running" ? (runner ?? []) : []))))
      const known = new Set(rows.map(({ id }) => id))
      yield* Effect.forEach(
        threads.filter(({ id }) => known.has(id)),
        ({ settleByRow }) => settleByRow,
        { discard: true }
      )
      for (const thread of threads) if (!known.has(thread.id)) this.missed(thread, (missing.get(thread.id) ?? 0) + 1)
    })
  }

  private missed(thread: Unstarted, looks: number): void {
    this.missing.set(thread.id, looks)
    if (isTurn(looks)) thread.startOver()
  }
}
