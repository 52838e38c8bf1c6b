/** A run in a worker: sections spin until the host ends them, the host keeps leases, and locks are in shared memory. */
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import type * as VirtualClock from "@quiesce/testing/VirtualClock"
import type * as World from "@quiesce/testing/laws/World"
import * as HostLease from "@quiesce/worker-threads/HostLease"
import * as SharedMutex from "@quiesce/worker-threads/SharedMutex"
import * as Effect from "effect/Effect"
import { Kept } from "./contract.ts"
import type { Harness } from "./harness.ts"
import { Interpretation } from "./interpretation.ts"
import { cell } from "./messages.ts"
import type { Given } from "./TestPool.ts"

const unasked = (): void => {}

export class WorkerInterpretation extends Interpretation {
  private readonly worker: Harness
  private readonly mutex: SharedMutex.SharedMutex
  private readonly replaced: Partial<Subject>
  protected override readonly task = (): number => this.worker.task
  private spins = 0

  /** `replaced` has the functions that a planted fault replaces. */
  constructor(harness: Harness, clock: VirtualClock.VirtualClock, given: Given, replaced: Partial<Subject>) {
    super(harness, clock, given)
    this.worker = harness
    this.mutex = given.mutex
    this.replaced = replaced
  }

  /** Runs until the host opens the gate or ends the section. */
  protected override readonly spin: World.World["spin"] = (how, shielded) => {
    const { cells } = this.worker
    const spin = ++this.spins
    this.flush()
    this.worker.post({ _tag: "Spinning", run: this.run, spin, ends: how === "interruptible" && !shielded })
    for (;;) {
      const open = Atomics.load(cells, cell.gate)
      if (open >= spin) break
      Atomics.wait(cells, cell.gate, open, 1)
    }
    this.worker.happened()
  }

  /** Core, with leases that the host keeps, locks in shared memory, and a worker that can crash. */
  protected get subject(): Subject {
    const { mutex } = this
    return {
      ...core,
      keep: (lease, { scope, thread }) => this.kept({ lease, scope, thread }),
      ...this.replaced,
      lock: (_, work) => SharedMutex.withLock(mutex, { recover: Effect.void })(work),
      crash: (how) =>
        Effect.callback<void>(() => {
          this.flush()
          if (how === "exit") process.exit(1)
          setImmediate(() => {
            throw new Error("nobody catches this")
          })
        })
    }
  }

  /** Marks the wait for a reply while the host acquires or releases. */
  private kept(payload: { readonly lease: string; readonly scope: string; readonly thread: string }) {
    return Effect.suspend(() => {
      let answered = unasked
      let isReleased = false
      const last = Effect.addFinalizer(() =>
        Effect.sync(() => {
          isReleased = true
          answered()
        })
      )
      const acquiring = Effect.suspend(() => {
        answered = this.worker.awaiting()
        return HostLease.acquire(Kept, payload)
      })
      const acquired = Effect.onExit(acquiring, () => Effect.sync(() => answered()))
      const first = Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (!isReleased) answered = this.worker.awaiting()
        })
      )
      return Effect.andThen(last, Effect.andThen(acquired, first))
    })
  }
}
