/** The worker's side of one run: interprets the program of a scenario, records events, and spins. */
import * as Blocking from "@quiesce/core/Blocking"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Interpreter from "@quiesce/testing/laws/Interpreter"
import * as Leaks from "@quiesce/testing/Leaks"
import { core, type Subject } from "@quiesce/testing/laws/Subject"
import type { Event } from "@quiesce/testing/laws/Trace"
import type * as VirtualClock from "@quiesce/testing/VirtualClock"
import * as World from "@quiesce/testing/laws/World"
import * as HostLease from "@quiesce/worker-threads/HostLease"
import * as SharedMutex from "@quiesce/worker-threads/SharedMutex"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Kept } from "./contract.ts"
import { cell } from "./messages.ts"
import type { Current, CancelPoint, Harness } from "./harness.ts"
import type { Given } from "./TestPool.ts"
import { Encoder, type EncodedEvent } from "./wire.ts"

const unasked = (): void => {}

export class Interpretation implements Current {
  readonly run: number
  readonly clock: VirtualClock.VirtualClock
  readonly cuts: Array<CancelPoint> = []
  private readonly harness: Harness
  private readonly given: Given
  private readonly unmasks: boolean
  private readonly encoder: Encoder = new Encoder()
  private readonly listeners: Leaks.ListenerWatch = Leaks.watchListeners()
  private events: Array<EncodedEvent> = []
  private spins = 0
  private ended = false
  private orphans: ReadonlyArray<string> = []
  private world: World.World | undefined = undefined

  /** With the planted fault `unmasks`, all sections run without a shield. */
  constructor(harness: Harness, clock: VirtualClock.VirtualClock, given: Given, unmasks: boolean) {
    this.unmasks = unmasks
    this.harness = harness
    this.clock = clock
    this.given = given
    this.run = given.run
  }

  /** The body of the task. Its scope is that of the task's thread. */
  get body(): Effect.Effect<unknown, unknown, Scope.Scope> {
    return Effect.withFiber(({ context }) =>
      Effect.gen({ self: this }, function* () {
        const thread = yield* Thread.current
        const { clock, onEvent, spin, subject } = this
        const world = (this.world = yield* World.make({ subject, clock, spin, onEvent }))
        // The host records the beginning and the end of the thread.
        world.threads.set("t", { name: "t", thread, scope: "main" })
        ThreadAdapter.onExit(thread, () => {
          this.ended = true
          this.orphans = world.liveBelow("t")
        })
        this.cuts.push(...this.cutsOf(world, context))
        this.harness.begin(this)
        return yield* Interpreter.body(world, "t", this.given.scenario.program)
      })
    )
  }

  private cutsOf(world: World.World, context: Context.Context<never>): ReadonlyArray<CancelPoint> {
    const { cut, scenario } = this.given
    if (cut === null) return []
    const cuts = scenario.plan.map((planned, index) => ({
      step: cut + planned.after,
      index,
      unseen: planned.unseen === true,
      // The host performs the actions on the first thread, because the host has that thread, too.
      act: () =>
        Interpreter.targetOf(world, planned)?.name === "t"
          ? undefined
          : () => void Effect.runForkWith(context)(Interpreter.perform(world, planned, index, () => {}))
    }))
    return cuts.toSorted((a, b) => a.step - b.step)
  }

  hasEnded(): boolean {
    return this.ended
  }

  flush(): void {
    if (this.events.length > 0) this.harness.post({ _tag: "Trace", run: this.run, events: this.events })
    this.events = []
  }

  finish({ steps, tasks }: { readonly steps: number; readonly tasks: number }): void {
    const world = this.world!
    this.flush()
    const threads = Array.from(world.ended().values(), (fate) => this.encoder.ended(fate))
    const left = { tasks, sleeps: this.clock.pending, listeners: this.listeners.count(), queued: world.queued() }
    this.listeners.end()
    const { orphans, run } = this
    this.harness.post({ _tag: "Finished", run, steps, threads, orphans, ...left })
  }

  private readonly onEvent = (event: Event): void => {
    this.events.push(this.encoder.event(Atomics.add(this.harness.cells, cell.sequence, 1), event))
    this.harness.happened()
  }

  /** Runs until the host opens the gate or ends the section. */
  private readonly spin: World.World["spin"] = (how, shielded) => {
    const { cells } = this.harness
    const spin = ++this.spins
    this.flush()
    this.harness.post({ _tag: "Spinning", run: this.run, spin, ends: how === "interruptible" && !shielded })
    for (;;) {
      const open = Atomics.load(cells, cell.gate)
      if (open >= spin) break
      Atomics.wait(cells, cell.gate, open, 1)
    }
    this.harness.happened()
  }

  /** Core, with leases that the host keeps, locks in shared memory, and a worker that can crash. */
  private get subject(): Subject {
    const { mutex } = this.given
    return {
      ...core,
      keep: (lease, { scope, thread }) => this.kept({ lease, scope, thread }),
      ...(this.unmasks ? { spin: (_, section) => Effect.interruptible(Blocking.interruptible(section)) } : {}),
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
        answered = this.harness.awaiting()
        return HostLease.acquire(Kept, payload)
      })
      const acquired = Effect.onExit(acquiring, () => Effect.sync(() => answered()))
      const first = Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (!isReleased) answered = this.harness.awaiting()
        })
      )
      return Effect.andThen(last, Effect.andThen(acquired, first))
    })
  }
}
