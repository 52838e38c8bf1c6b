/**
 * The threads of a client that no runner has said to run. The runner of such a thread may be gone: after it has entered the
 * thread into the store, and before its first event has arrived. So the client watches the runner that the row names, as it
 * does after the first event. The runner may also be gone before it has entered the thread. The engine then does not always
 * answer or repeat the call.
 */
import * as Effect from "effect/Effect"
import type { ClusterError } from "../../ClusterError.ts"
import * as MemberStore from "../store/memberStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import { fromAddress, type RunnerId } from "../wire/runnerId.ts"
import type { LostRunners } from "./lostRunners.ts"

/** The parts of a thread for a look. */
export interface Unstarted {
  readonly id: string
  readonly isAmong: (rows: ReadonlySet<string>) => boolean
  readonly settleByRow: Effect.Effect<void>
  /** Calls for a start again. The body starts once, because only one runner can enter the thread into the store. */
  readonly startOver: () => void
}

/** Notices the death of a runner, as long as a thread needs it. */
export interface Watch {
  readonly add: (runner: RunnerId, thread: Unstarted) => void
  readonly remove: (runner: RunnerId, thread: Unstarted) => void
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
  private readonly watch: Watch
  private readonly threads = new Set<Unstarted>()
  /** The threads of the last look. A thread that starts between two looks costs nothing. */
  private before: ReadonlySet<Unstarted> = new Set()
  /** How many looks in a row have found no row of a thread, by the id of the thread. */
  private missing = new Map<string, number>()
  /** The runners that are watched for threads of this set, because they have claimed the threads. */
  private readonly claimers = new Map<Unstarted, RunnerId>()

  constructor(store: ThreadStore, lost: LostRunners, watch: Watch) {
    this.store = store
    this.lost = lost
    this.watch = watch
  }

  /** A thread that starts again has another row, and so no claimer yet. */
  add(thread: Unstarted): void {
    this.delete(thread)
    this.threads.add(thread)
  }

  delete(thread: Unstarted): void {
    this.threads.delete(thread)
    const claimer = this.claimers.get(thread)
    if (claimer === undefined) return
    this.claimers.delete(thread)
    this.watch.remove(claimer, thread)
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
      const claims = new Map(
        rows.flatMap(({ id, runner, state }) => (state === "running" && runner !== null ? [[id, runner] as const] : []))
      )
      yield* this.lost.fence(new Set(claims.values()))
      yield* this.watchClaimers(threads, claims)
      const known = new Set(rows.map(({ id }) => id))
      yield* Effect.forEach(
        threads.filter(({ id }) => known.has(id)),
        ({ settleByRow }) => settleByRow,
        { discard: true }
      )
      for (const thread of threads) if (!known.has(thread.id)) this.missed(thread, (missing.get(thread.id) ?? 0) + 1)
    })
  }

  /** `claims` has the runners of running threads by the ids of the threads. */
  private watchClaimers(
    threads: ReadonlyArray<Unstarted>,
    claims: ReadonlyMap<string, string>
  ): Effect.Effect<void, ClusterError> {
    const unwatched = threads.filter((thread) => claims.has(thread.id) && !this.claimers.has(thread))
    if (unwatched.length === 0) return Effect.void
    const ids = new Set(unwatched.flatMap(({ id }) => claims.get(id) ?? []))
    return Effect.map(MemberStore.rows(this.store, Array.from(ids)), (members) => {
      const runners = new Map(members.map(({ address, id }) => [id, fromAddress(id, address)]))
      for (const thread of unwatched) {
        // The thread may have started or settled meanwhile, or may have another row.
        const runner = runners.get(claims.get(thread.id) ?? "")
        if (runner === undefined || !this.threads.has(thread)) continue
        this.claimers.set(thread, runner)
        this.watch.add(runner, thread)
      }
    })
  }

  private missed(thread: Unstarted, looks: number): void {
    this.missing.set(thread.id, looks)
    if (isTurn(looks)) thread.startOver()
  }
}
