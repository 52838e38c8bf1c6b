/**
 * Watches the runners with threads of this client, each by an idle connection to its port. The engine itself notices
 * the death of a runner only when a lock has expired, half a minute later by default.
 *
 * If the port of a connected runner refuses, the process is gone: its threads are fenced, and settle at once. A frozen or
 * unreachable runner keeps its connection, and is not judged here.
 *
 * A runner may be gone before the first connection. A refused port does not prove that, because the address may be wrong
 * here, or a firewall may refuse. `giveUp` is for a runner of which all of this is true:
 *
 * 1. It has claimed or started a thread of this client. So the call of this client's engine has reached the runner, at the
 *    same address and before the first attempt here. A client in the process of the runner needs no address for that; while
 *    such a process is blocked, the client doesn't look, either.
 * 2. Each attempt so far was refused or had no answer, and the last was refused. The system of a frozen or blocked process
 *    still accepts connections, until too many wait; then it gives no answer.
 * 3. The runner has not renewed its row for several renewals, while the store took the renewals of this client. A living
 *    runner renews its row, also one that this client can't reach.
 *
 * For a wrong judgement, a living runner would have to be blocked, and something before its port would have to refuse each
 * attempt since the claim. If one of the signs is missing, the runner is judged only when its row has expired.
 */
import * as Effect from "effect/Effect"
import type { RunnerId } from "../wire/runnerId.ts"
import { PortWatch } from "./portWatch.ts"

/** A connection without a thread is kept for so long. */
const idleMillis = 5000

interface Watched<A> {
  readonly runner: RunnerId
  readonly threads: Set<A>
  readonly port: PortWatch
}

export class RunnerWatch<A extends object> {
  private readonly watched = new Map<string, Watched<A>>()
  private readonly onGone: (runner: RunnerId, threads: ReadonlyArray<A>) => void

  constructor(onGone: (runner: RunnerId, threads: ReadonlyArray<A>) => void) {
    this.onGone = onGone
  }

  add(runner: RunnerId, thread: A): void {
    const known = this.watched.get(runner.incarnation)
    if (known !== undefined) return void known.threads.add(thread)
    const { host, port } = runner
    if (host === null || port === null) return
    const threads = new Set<A>([thread])
    const watch = new PortWatch(host, port, () => {
      this.watched.delete(runner.incarnation)
      this.onGone(runner, Array.from(threads))
    })
    this.watched.set(runner.incarnation, { runner, threads, port: watch })
  }

  remove(runner: RunnerId, thread: A): void {
    const known = this.watched.get(runner.incarnation)
    if (known === undefined || !known.threads.delete(thread) || known.threads.size > 0) return
    // The next thread may start soon, and needs the connection again.
    const timer = setTimeout(() => {
      if (known.threads.size > 0 || this.watched.get(runner.incarnation) !== known) return
      this.watched.delete(runner.incarnation)
      known.port.close()
    }, idleMillis)
    timer.unref()
  }

  /** The watched runners, each with its threads. */
  get all(): ReadonlyArray<{ readonly runner: RunnerId; readonly threads: ReadonlyArray<A> }> {
    return Array.from(this.watched.values(), ({ runner, threads }) => ({ runner, threads: Array.from(threads) }))
  }

  /** The runners that have accepted no connection of this watch so far. */
  get unproven(): ReadonlySet<string> {
    return new Set(Array.from(this.watched).flatMap(([id, { port }]) => (port.isUnproven ? [id] : [])))
  }

  /** Takes the unproven runners of the set for gone whose ports refuse. The header says for which runners. */
  giveUp(silent: ReadonlySet<string>): void {
    for (const [id, { port }] of this.watched) if (silent.has(id)) port.giveUp()
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => {
      for (const { port } of this.watched.values()) port.close()
      this.watched.clear()
    })
  }
}
