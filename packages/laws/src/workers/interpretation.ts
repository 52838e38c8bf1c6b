/** The worker's side of one run: interprets the program of a scenario, and records events. */
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import * as Interpreter from "@quiesce/testing/laws/Interpreter"
import * as Leaks from "@quiesce/testing/Leaks"
import type { Subject } from "@quiesce/testing/laws/Subject"
import type { Event } from "@quiesce/testing/laws/Trace"
import type * as VirtualClock from "@quiesce/testing/VirtualClock"
import * as World from "@quiesce/testing/laws/World"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Current, CancelPoint } from "./harness.ts"
import type { ToHost } from "./messages.ts"
import type { Given } from "./TestPool.ts"
import { Encoder, type EncodedEvent } from "./wire.ts"

type Work = Omit<Given, "mutex">

/** The part of a harness that an interpretation needs. */
export interface RunHarness {
  readonly begin: (current: Current) => void
  readonly post: (message: ToHost) => void
  readonly happened: () => void
  /** The number of an event in the order of both sides. */
  readonly sequence: () => number
}

export abstract class Interpretation implements Current {
  readonly run: number
  readonly clock: VirtualClock.VirtualClock
  readonly cuts: Array<CancelPoint> = []
  private readonly harness: RunHarness
  private readonly given: Work
  private readonly encoder: Encoder = new Encoder()
  private readonly listeners: Leaks.ListenerWatch = Leaks.watchListeners()
  private events: Array<EncodedEvent> = []
  private ended = false
  private orphans: ReadonlyArray<string> = []
  private world: World.World | undefined = undefined

  constructor(harness: RunHarness, clock: VirtualClock.VirtualClock, given: Work) {
    this.harness = harness
    this.clock = clock
    this.given = given
    this.run = given.run
  }

  protected abstract readonly subject: Subject
  /** The body of a synchronous section (default: empty). */
  protected readonly spin: World.Options["spin"] = undefined
  /** The number of the current task, if an interrupt may wait for its end (default: it never waits). */
  protected readonly task: World.Options["task"] = undefined
  /** Whether the body runs in a scope of its own below the scope of its thread (default: not). */
  protected readonly ownScope: boolean = false

  /** The body of the task. Its scope is that of the task's thread, but for `ownScope`. */
  get body(): Effect.Effect<unknown, unknown, Scope.Scope> {
    return Effect.withFiber(({ context }) =>
      Effect.gen({ self: this }, function* () {
        const thread = yield* Thread.current
        const { clock, onEvent, ownScope, spin, subject, task } = this
        const world = (this.world = yield* World.make({ subject, clock, spin, onEvent, task, ownScope }))
        // The host records the beginning and the end of the thread.
        world.threads.set("t", { name: "t", thread, scope: "main" })
        ThreadAdapter.onExit(thread, () => {
          this.ended = true
          world.note({ _tag: "EndedThere", thread: "t" })
          this.orphans = world.liveBelow("t")
          // The end is sent at once, because the worker may be killed before it is idle.
          this.flush()
        })
        this.cuts.push(...this.cutsOf(world, context))
        this.harness.begin(this)
        return yield* Interpreter.body(world, "t", this.given.scenario.program)
      })
    )
  }

  private cutsOf(world: World.World, context: Context.Context<never>): ReadonlyArray<CancelPoint> {
    const { cut, scenario } = this.given
    // The host performs the plan of a thread that waits for its place.
    if (cut === null || scenario.waits !== undefined) return []
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
    this.harness.post({ _tag: "Finished", run, steps, threads, orphans, ...left, ...this.leftLock(world) })
  }

  private readonly onEvent = (event: Event): void => {
    this.events.push(this.encoder.event(this.harness.sequence(), event))
    this.harness.happened()
  }

  /** The state of a lock that the host can't see. */
  protected leftLock(_world: World.World): { readonly lock?: "free" | "held" } {
    return {}
  }
}
